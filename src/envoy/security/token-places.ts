// Where a rule looks for tokens, and which rules look in the same places.

import type { JwtRule } from "../../resources/kinds/security.ts";

/** Rules that share a place, directly or through others, are in one group: a token there may be meant for any of them. */
export function rulesByPlace<Rule extends JwtRule>(rules: readonly Rule[]): readonly (readonly Rule[])[] {
	let groups: { readonly rules: readonly Rule[]; readonly places: ReadonlySet<string> }[] = [];
	for (const rule of rules) {
		const places = new Set(placesOf(rule));
		const shared = groups.filter((group) => !group.places.isDisjointFrom(places));
		const joined = {
			rules: [...shared.flatMap((group) => group.rules), rule],
			places: shared.reduce((all, group) => all.union(group.places), places),
		};
		const first = shared[0];
		groups = first
			? groups.flatMap((group) => (group === first ? [joined] : shared.includes(group) ? [] : [group]))
			: [...groups, joined];
	}
	return groups.map((group) => group.rules);
}

/** `header authorization`, `param access_token`, `cookie session`. */
function placesOf(rule: JwtRule): readonly string[] {
	const places = [
		...(rule.fromHeaders ?? []).map(({ name }) => `header ${name.toLowerCase()}`),
		...(rule.fromParams ?? []).map((name) => `param ${name}`),
		...(rule.fromCookies ?? []).map((name) => `cookie ${name}`),
	];
	return places.length > 0 ? places : ["header authorization", "param access_token"];
}

// Addresses, routes and rules as lines in the words of `ip`: the other way round than conf-addresses.ts and conf-routes.ts.

import type { VirtualAddress, VirtualRoute, VirtualRule } from "../vip-config.ts";

export function addressText(address: VirtualAddress): string {
	return words(
		`${address.address}/${address.prefixLength}`,
		["brd", address.broadcast],
		["dev", address.interface],
		["scope", address.scope],
		["label", address.label],
		["peer", address.peer],
		["preferred_lft", address.preferredLifetimeSec === 0xffffffff ? "forever" : address.preferredLifetimeSec],
		["noprefixroute", address.noPrefixRoute === true],
		["no_track", address.untracked === true],
	);
}

export function routeText(route: VirtualRoute): string {
	return words(
		[route.type, route.destination].filter((word) => word !== undefined).join(" "),
		[route.family === "ipv6" ? "inet6" : "inet", route.family !== undefined],
		["via", route.gateway],
		["dev", route.interface],
		["src", route.source],
		["table", route.table],
		["metric", route.metric],
		["scope", route.scope],
		["onlink", route.onlink === true],
		["no_track", route.untracked === true],
	);
}

export function ruleText(rule: VirtualRule): string {
	return words(
		"",
		["inet6", rule.family === "ipv6"],
		["from", rule.from],
		["to", rule.to],
		["iif", rule.incomingInterface],
		["oif", rule.outgoingInterface],
		["fwmark", rule.mark],
		["table", rule.table],
		["preference", rule.preference],
		["no_track", rule.untracked === true],
	);
}

/** A value of true is the word alone; undefined and false are left out. */
function words(
	first: string,
	...options: readonly (readonly [string, string | number | boolean | undefined])[]
): string {
	const said = options.flatMap(([word, value]) => {
		if (value === undefined || value === false) return [];
		return value === true ? [word] : [`${word} ${value}`];
	});
	return [first, ...said].filter((part) => part !== "").join(" ");
}

// A snapshot -> the key sets that have to be fetched for it; fetched key sets -> a snapshot whose rules have their keys.

import { compareText } from "../resources/config-object.ts";
import type { JwtRule } from "../resources/kinds/security.ts";
import type { Change } from "./change.ts";
import { type KeySets, type NeededKeySet, neededBy } from "./key-sets.ts";
import { withKeySets } from "./policy-index.ts";
import { sameValue } from "./same-value.ts";
import type { Snapshot } from "./snapshot.ts";

/** Each address once, sorted; `arriving`: changes that are not in the snapshot yet. */
export function neededKeySets(
	snapshot: Pick<Snapshot, "policies">,
	arriving: readonly Change[] = [],
): readonly NeededKeySet[] {
	const needed = new Map<string, NeededKeySet>();
	const shown = [...snapshot.policies.byNamespace.values()].flatMap(({ authentication }) =>
		authentication.flatMap((policy) => policy.shown),
	);
	for (const rule of [...shown, ...arriving.flatMap(rulesIn)]) {
		const one = neededBy(rule);
		if (one === undefined) continue;
		const known = needed.get(one.uri);
		if (known === undefined) needed.set(one.uri, one);
		else {
			const [issuer = ""] = [known.issuer, one.issuer].sort();
			needed.set(one.uri, { ...one, issuer, timeoutMs: Math.max(known.timeoutMs, one.timeoutMs) });
		}
	}
	return [...needed.values()].sort((a, b) => compareText(a.uri, b.uri));
}

function rulesIn(change: Change): readonly JwtRule[] {
	if (change.type !== "objectApplied" || change.object.kind !== "RequestAuthentication") return [];
	return change.object.spec.jwtRules ?? [];
}

/** `keySets` is all that is known, the last good one of each address; the same snapshot when it is known already. */
export function applyKeySets(snapshot: Snapshot, keySets: KeySets): Snapshot {
	if (sameValue(snapshot.policies.keySets, new Map(keySets))) return snapshot;
	return { ...snapshot, policies: withKeySets(snapshot.policies, new Map(keySets)) };
}

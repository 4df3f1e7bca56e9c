// A snapshot -> the key sets that have to be fetched for it; fetched key sets -> a snapshot whose rules have their keys.

import { compareText } from "../resources/config-object.ts";
import { type KeySets, type NeededKeySet, neededBy } from "./key-sets.ts";
import { withKeySets } from "./policy-index.ts";
import { sameValue } from "./same-value.ts";
import type { Snapshot } from "./snapshot.ts";

/** Each address once, sorted. */
export function neededKeySets(snapshot: Pick<Snapshot, "policies">): readonly NeededKeySet[] {
	const needed = new Map<string, NeededKeySet>();
	for (const { authentication } of snapshot.policies.byNamespace.values())
		for (const rule of authentication.flatMap((policy) => policy.shown)) {
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

/** `keySets` is all that is known, the last good one of each address; the same snapshot when it is known already. */
export function applyKeySets(snapshot: Snapshot, keySets: KeySets): Snapshot {
	if (sameValue(snapshot.policies.keySets, new Map(keySets))) return snapshot;
	return { ...snapshot, policies: withKeySets(snapshot.policies, new Map(keySets)) };
}

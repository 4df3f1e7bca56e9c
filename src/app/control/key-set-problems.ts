// Rules whose keys were never fetched, or are old because their issuer does not answer -> problems of their
// RequestAuthentications, so that status and describe say why tokens are refused.

import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { neededBy } from "../../snapshot/key-sets.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { labelOfKey } from "../../sources/files/file-ledger.ts";
import { type KeySetStatus, shownUri } from "../../sources/key-sets/key-sets-source.ts";

/** `current` gives an object with the line where it stands now. */
export function keySetProblems(
	snapshot: Pick<Snapshot, "policies">,
	status: ReadonlyMap<string, KeySetStatus>,
	current: (key: ObjectKey) => AnyObject | undefined,
): readonly Problem[] {
	const problems: Problem[] = [];
	for (const { authentication } of snapshot.policies.byNamespace.values()) {
		for (const { object, shown } of authentication) {
			for (const [index, rule] of shown.entries()) {
				const uri = neededBy(rule)?.uri;
				const told = uri === undefined ? undefined : troubleOf(status.get(uri));
				if (!told) continue;
				problems.push({
					severity: "warning",
					origin: current(keyOf(object))?.origin ?? object.origin,
					resource: labelOfKey(keyOf(object)),
					path: `spec.jwtRules[${index}].${rule.jwksUri ? "jwksUri" : "issuer"}`,
					...told,
				});
			}
		}
	}
	return problems;
}

function troubleOf(status: KeySetStatus | undefined): { readonly message: string; readonly hint: string } | undefined {
	if (!status) return undefined;
	const { needed, ageMs, failures, because, tried } = status;
	const address = shownUri(needed.uri);
	const refused = `every token of ${needed.issuer} is refused`;
	if (ageMs === undefined && !tried)
		return { message: `the keys at ${address} are being fetched: ${refused}`, hint: "" };
	if (failures === 0) return undefined;
	const hint = `what the control plane can reach decides: curl ${address} on its machine`;
	if (ageMs === undefined) return { message: `no keys could be fetched from ${address}: ${because}; ${refused}`, hint };
	const minutes = Math.floor(ageMs / 60_000);
	const kept = `the keys of ${minutes} min ago stay in force`;
	return { message: `the keys at ${address} cannot be refreshed: ${because}; ${kept}`, hint };
}

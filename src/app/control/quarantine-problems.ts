// Resources that proxies refused -> problems, so that status, get and describe name them with the proxies' own words.

import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import { labelOfKey } from "../../sources/files/file-ledger.ts";
import type { HeldObject } from "./quarantine-machine.ts";

/** `current` gives an object with the line where it stands now. */
export function quarantineProblems(
	held: ReadonlyMap<ObjectKey, HeldObject>,
	current: (key: ObjectKey) => AnyObject | undefined,
): readonly Problem[] {
	return [...held].flatMap(([key, { wanted, inForce, refusals, isProven }]) => {
		const shown = wanted ?? inForce;
		if (!shown) return [];
		return {
			severity: "error",
			origin: current(key)?.origin ?? shown.origin,
			resource: labelOfKey(keyOf(shown)),
			path: "",
			message: `${told(refusals, wanted)}; ${inForceText(inForce)}`,
			hint: isProven
				? "change it: it is tried again at once"
				: "one of several that changed together: each is tried by itself",
		};
	});
}

function told(refusals: HeldObject["refusals"], wanted: AnyObject | undefined): string {
	const [first] = refusals;
	const what = wanted ? "" : "its removal ";
	if (first === undefined) return `${what}was refused`;
	const others = refusals.length > 1 ? ` and ${refusals.length - 1} more` : "";
	if (first.type === undefined) return `${what}was taken back, because of ${first.proxy}: ${first.message}`;
	return `${what}was refused by ${first.proxy}${others} (${first.type}): ${first.message}`;
}

function inForceText(inForce: AnyObject | undefined): string {
	return inForce ? "the last good version stays in force" : "it is left out";
}

/** What is in no snapshot, because proxies refused it and there is no good version. */
export function leftOut(held: ReadonlyMap<ObjectKey, HeldObject>): readonly AnyObject[] {
	return [...held.values()].flatMap(({ wanted, inForce }) => (wanted && !inForce ? [wanted] : []));
}

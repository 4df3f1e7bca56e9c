// Everything that is wrong at this moment: with files, between resources, and what was dropped while putting them together.

import { checkReferences } from "../../resources/check-references.ts";
import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Origin, Problem } from "../../resources/problem.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";

/** Remembered for as long as files and resources stay as they are. */
export class MeshProblems {
	readonly #current: (key: ObjectKey) => AnyObject | undefined;
	#last:
		| { readonly objects: Snapshot["objects"]; readonly ofFiles: readonly Problem[]; readonly all: readonly Problem[] }
		| undefined;

	/** `current` gives an object with the line where it stands now. */
	constructor(current: (key: ObjectKey) => AnyObject | undefined) {
		this.#current = current;
	}

	of(snapshot: Snapshot, ofFiles: readonly Problem[]): readonly Problem[] {
		if (this.#last?.objects === snapshot.objects && this.#last.ofFiles === ofFiles) return this.#last.all;
		const objects = allObjects(snapshot);
		const locate = (object: AnyObject): Origin => this.#current(keyOf(object))?.origin ?? object.origin;
		const all = [...ofFiles, ...checkReferences(objects, locate)];
		this.#last = { objects: snapshot.objects, ofFiles, all };
		return all;
	}
}

/** All resources in force, in no order that means anything. */
export function allObjects(snapshot: Snapshot): readonly AnyObject[] {
	return Object.values(snapshot.objects).flatMap((ofKind) => [...ofKind.values()]);
}

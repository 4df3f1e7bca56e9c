// Everything that is wrong at this moment: with files, between resources, and what was dropped while putting them together.

import { checkReferences } from "../../resources/check-references.ts";
import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Origin, Problem } from "../../resources/problem.ts";
import type { BuildProblem } from "../../snapshot/build-problem.ts";
import { problemsOf } from "../../snapshot/resource-status.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { labelOfKey } from "../../sources/files/file-ledger.ts";

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
		const references = checkReferences(objects, locate);
		// What the analysis has already said of a resource is not said again in other words.
		const told = new Set(references.filter((problem) => problem.code !== undefined).map((problem) => problem.resource));
		const dropped = problemsOf(snapshot)
			.map((problem) => this.#problemOf(problem))
			.filter((problem) => !told.has(problem.resource));
		const all = [...ofFiles, ...references, ...dropped];
		this.#last = { objects: snapshot.objects, ofFiles, all };
		return all;
	}

	#problemOf({ object, because, winner }: BuildProblem): Problem {
		const origin = this.#current(object)?.origin ?? { file: "", line: 1, column: 1 };
		const message = winner === undefined ? because : `${because}: ${labelOfKey(winner)} has it`;
		return {
			severity: "warning",
			origin,
			resource: labelOfKey(object),
			path: "",
			message,
			hint: winner === undefined ? "" : `change one of the two: keepmesh describe ${commandName(winner)}`,
		};
	}
}

/** `virtualservice/reviews -n default` */
function commandName(key: ObjectKey): string {
	const [kind = "", namespace = "", name = ""] = key.split("/");
	return `${kind.toLowerCase()}/${name} -n ${namespace}`;
}

/** All resources in force, in no order that means anything. */
export function allObjects(snapshot: Snapshot): readonly AnyObject[] {
	return Object.values(snapshot.objects).flatMap((ofKind) => [...ofKind.values()]);
}

// What an API server said last of each object, and what of it is in force. In: objects as they were read, and removals. Out:
// changes, and all problems. A version that is refused takes nothing away: the last good one stays.

import {
	type AnyObject,
	type ConfigObject,
	compareText,
	type Kind,
	type ObjectKey,
} from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import type { Change } from "../../snapshot/change.ts";
import { sameValue } from "../../snapshot/same-value.ts";
import type { ReadApiObject } from "./read-api-object.ts";
import { kindOfKey, type RecordedObject } from "./source-record.ts";

/** The newest version of an object, refused or not. */
export type SeenObject = Pick<ReadApiObject, "uid" | "version" | "generation">;

export class ApiLedger {
	readonly #inForce = new Map<Kind, Map<ObjectKey, AnyObject>>();
	/** Of every object there is, also of those that are refused. */
	readonly #seen = new Map<ObjectKey, SeenObject>();
	readonly #problems = new Map<ObjectKey, readonly Problem[]>();
	#all: readonly Problem[] | undefined;

	/** What changes with it: at most one. */
	apply({ generation, key, object, problems, uid, version }: ReadApiObject): readonly Change[] {
		this.#seen.set(key, { uid, version, generation });
		const before = this.current(key);
		this.#setProblems(key, !object && before ? problems.map(staysInForce) : problems);
		if (!object) return [];
		this.#ofKind(kindOfKey(key)).set(key, object);
		return before && isSame(before, object) ? [] : [{ type: "objectApplied", object }];
	}

	/** `uid`: of the object that went; another one of that name stays. */
	remove(key: ObjectKey, uid?: string): readonly Change[] {
		if (uid !== undefined && this.#seen.get(key)?.uid !== uid) return [];
		this.#seen.delete(key);
		this.#setProblems(key, []);
		return this.#ofKind(kindOfKey(key)).delete(key) ? [{ type: "objectRemoved", key }] : [];
	}

	/** These are all there are of the kind. */
	replace(kind: Kind, objects: readonly ReadApiObject[]): readonly Change[] {
		const said = new Set(objects.map(({ key }) => key));
		const gone = this.keys(kind).filter((key) => !said.has(key));
		return [...objects.flatMap((one) => this.apply(one)), ...gone.flatMap((key) => this.remove(key))];
	}

	/** As an earlier process knew it; the newest version may have been refused. */
	restore({ generation, key, object, problems, uid, version }: RecordedObject): readonly Change[] {
		this.#seen.set(key, { uid, version, generation });
		this.#setProblems(key, problems);
		if (!object) return [];
		this.#ofKind(kindOfKey(key)).set(key, object);
		return [{ type: "objectApplied", object }];
	}

	/** Everything, for the process that comes after this one. */
	recorded(): readonly RecordedObject[] {
		return [...this.#seen].map(([key, seen]) => ({
			key,
			...seen,
			object: this.current(key),
			problems: this.#problems.get(key) ?? [],
		}));
	}

	current(key: ObjectKey): AnyObject | undefined {
		return this.#inForce.get(kindOfKey(key))?.get(key);
	}

	inForce<K extends Kind>(kind: K): Iterable<ConfigObject<K>> {
		// Objects are filed under their own kind.
		return (this.#inForce.get(kind)?.values() ?? []) as unknown as Iterable<ConfigObject<K>>;
	}

	/** Of the newest, refused or not; undefined: there is none. */
	versionOf(key: ObjectKey): string | undefined {
		return this.#seen.get(key)?.version;
	}

	seen(key: ObjectKey): SeenObject | undefined {
		return this.#seen.get(key);
	}

	/** Of all objects of the kind, refused ones as well. */
	keys(kind: Kind): readonly ObjectKey[] {
		return [...this.#seen.keys()].filter((key) => kindOfKey(key) === kind);
	}

	/** By kind, namespace and name. */
	problems(): readonly Problem[] {
		this.#all ??= [...this.#problems].sort(([a], [b]) => compareText(a, b)).flatMap(([, problems]) => problems);
		return this.#all;
	}

	#ofKind(kind: Kind): Map<ObjectKey, AnyObject> {
		const known = this.#inForce.get(kind);
		if (known) return known;
		const made = new Map<ObjectKey, AnyObject>();
		this.#inForce.set(kind, made);
		return made;
	}

	#setProblems(key: ObjectKey, problems: readonly Problem[]): void {
		if (problems.length === 0 && !this.#problems.has(key)) return;
		if (problems.length === 0) this.#problems.delete(key);
		else this.#problems.set(key, problems);
		this.#all = undefined;
	}
}

function staysInForce(problem: Problem): Problem {
	if (problem.severity !== "error") return problem;
	return { ...problem, hint: `${problem.hint} (until then the last good version stays in force)`.trim() };
}

/** What only the API server counts is no change. */
function isSame(a: AnyObject, b: AnyObject): boolean {
	const { generation: _a, ...metaA } = a.metadata;
	const { generation: _b, ...metaB } = b.metadata;
	return a.apiVersion === b.apiVersion && sameValue(metaA, metaB) && sameValue(a.spec, b.spec);
}

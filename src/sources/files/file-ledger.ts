// What each file said last, and what of it is in force. Comes in: the outcome of reading one file. Goes out: changes, and
// all problems. Two rules live here: the first file in path order owns an object, and a broken document takes nothing away.

import { isDeepStrictEqual } from "node:util";
import { type AnyObject, compareText, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import type { Change } from "../../snapshot/change.ts";

/** The outcome of reading a file: what it holds, and everything that is wrong with it. */
export interface FileContent {
	readonly objects: readonly AnyObject[];
	readonly problems: readonly Problem[];
}

interface FileEntry {
	readonly order: string;
	/** Last good version of each object of this file. */
	objects: ReadonlyMap<ObjectKey, AnyObject>;
	problems: readonly Problem[];
}

export class FileLedger {
	readonly #files = new Map<string, FileEntry>();
	/** Files that hold an object, by path order: the first one owns it. */
	readonly #claims = new Map<ObjectKey, string[]>();
	readonly #inForce = new Map<ObjectKey, AnyObject>();

	/** Objects of the file that it held before and would lose with this content. */
	lostBy(file: string, content: FileContent): readonly ObjectKey[] {
		const entry = this.#files.get(file);
		if (!entry) return [];
		const said = new Set(content.objects.map(keyOf));
		const lost = [...entry.objects.keys()].filter((key) => !said.has(key));
		return lost.filter((key) => !isKept(key, content.problems));
	}

	/** Takes the content as what the file says now. `order` decides who owns an object that several files hold. */
	update(file: string, order: string, content: FileContent): readonly Change[] {
		const before = this.#files.get(file);
		const objects = new Map<ObjectKey, AnyObject>();
		const problems: Problem[] = [];
		for (const object of content.objects) {
			const key = keyOf(object);
			const first = objects.get(key);
			if (first) problems.push(duplicateProblem(object, first));
			else objects.set(key, object);
		}
		const kept = new Set<string>();
		for (const [key, object] of before?.objects ?? []) {
			if (objects.has(key) || !isKept(key, content.problems)) continue;
			objects.set(key, object);
			kept.add(labelOfKey(key));
		}
		for (const problem of content.problems) {
			const stays =
				problem.severity === "error" && (problem.resource === "" ? kept.size > 0 : kept.has(problem.resource));
			const hint = stays ? `${problem.hint} (until then the last good version stays in force)` : problem.hint;
			if (!stays) problems.push(problem);
			else problems.push({ ...problem, hint: hint.trim(), ...(problem.resource === "" && { keeps: [...kept] }) });
		}
		this.#files.set(file, { order, objects, problems });
		const touched = new Set([...objects.keys(), ...(before?.objects.keys() ?? [])]);
		return this.#settle(file, touched);
	}

	/** The file is gone. */
	remove(file: string): readonly Change[] {
		const entry = this.#files.get(file);
		if (!entry) return [];
		this.#files.delete(file);
		return this.#settle(file, new Set(entry.objects.keys()));
	}

	/** Replaces only the problems of a file: it could not be read, so what it said before stays. */
	fail(file: string, order: string, problem: Problem): void {
		const entry = this.#files.get(file);
		this.#files.set(file, { order, objects: entry?.objects ?? new Map(), problems: [problem] });
	}

	has(file: string): boolean {
		return this.#files.has(file);
	}

	files(): readonly string[] {
		return [...this.#files.keys()];
	}

	/** The owner's newest version, with the line where it stands now. */
	current(key: ObjectKey): AnyObject | undefined {
		const owner = this.#claims.get(key)?.[0];
		return owner === undefined ? undefined : this.#files.get(owner)?.objects.get(key);
	}

	/** Every object that counts. */
	inForce(): readonly AnyObject[] {
		return [...this.#inForce.values()];
	}

	/** Every problem of every file, files in path order, duplicates between files included. */
	problems(): readonly Problem[] {
		const entries = [...this.#files].sort((a, b) => compareText(a[1].order, b[1].order));
		const found: Problem[] = [];
		for (const [file, entry] of entries) {
			found.push(...entry.problems);
			for (const [key, object] of entry.objects) {
				const owner = this.#claims.get(key)?.[0];
				const winner = owner === undefined || owner === file ? undefined : this.#files.get(owner)?.objects.get(key);
				if (winner) found.push(duplicateProblem(object, winner));
			}
		}
		return found;
	}

	#settle(file: string, keys: ReadonlySet<ObjectKey>): readonly Change[] {
		const changes: Change[] = [];
		for (const key of keys) {
			this.#claim(file, key);
			const now = this.current(key);
			const before = this.#inForce.get(key);
			if (now === before) continue;
			if (!now) {
				this.#inForce.delete(key);
				changes.push({ type: "objectRemoved", key });
			} else {
				this.#inForce.set(key, now);
				if (!before || !isSame(before, now)) changes.push({ type: "objectApplied", object: now });
			}
		}
		return changes;
	}

	#claim(file: string, key: ObjectKey): void {
		const others = (this.#claims.get(key) ?? []).filter((other) => other !== file);
		if (this.#files.get(file)?.objects.has(key)) others.push(file);
		if (others.length === 0) this.#claims.delete(key);
		else if (others.length === 1) this.#claims.set(key, others);
		else
			this.#claims.set(
				key,
				others.sort((a, b) => compareText(this.#orderOf(a), this.#orderOf(b))),
			);
	}

	#orderOf(file: string): string {
		return this.#files.get(file)?.order ?? file;
	}
}

/** `VirtualService default/reviews`, as problems name a resource. */
export function labelOfKey(key: ObjectKey): string {
	const [kind = "", namespace = "", name = ""] = key.split("/");
	return namespace === "" ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

/** A document that did not parse may have held the object; one that was refused names it. */
function isKept(key: ObjectKey, problems: readonly Problem[]): boolean {
	const label = labelOfKey(key);
	return problems.some(
		(problem) => problem.severity === "error" && (problem.resource === "" || problem.resource === label),
	);
}

/** Where an object stands in its file does not count: a comment above it is no change. */
function isSame(a: AnyObject, b: AnyObject): boolean {
	return (
		a.apiVersion === b.apiVersion && isDeepStrictEqual(a.metadata, b.metadata) && isDeepStrictEqual(a.spec, b.spec)
	);
}

function duplicateProblem(object: AnyObject, winner: AnyObject): Problem {
	return {
		severity: "warning",
		origin: object.origin,
		resource: labelOfKey(keyOf(object)),
		path: "",
		message: `is also defined at ${winner.origin.file}:${winner.origin.line}, which comes first and is in force`,
		hint: "remove one of the two",
	};
}

// What a watch has told so far: of each object only which version. In: objects and removals as the server tells them, and whole
// lists after a gap. Out: what of it is news, so that a list after a gap becomes the difference and never an emptiness.

import type { RawMeta } from "./api-object.ts";

export type IndexEvent<T> =
	| { readonly type: "applied"; readonly object: T }
	| { readonly type: "removed"; readonly namespace: string; readonly name: string; readonly uid: string };

export interface ListedObject<T> {
	readonly metadata: RawMeta;
	/** Undefined: it is not wanted. */
	readonly object: T | undefined;
}

interface Held {
	readonly namespace: string;
	readonly name: string;
	readonly uid: string;
	readonly resourceVersion: string;
}

export class ObjectIndex<T> {
	#held = new Map<string, Held>();

	get size(): number {
		return this.#held.size;
	}

	apply({ metadata, object }: ListedObject<T>): readonly IndexEvent<T>[] {
		const key = keyOf(metadata);
		const before = this.#held.get(key);
		if (object === undefined) return before ? this.remove(metadata) : [];
		if (before?.uid === metadata.uid && before.resourceVersion === metadata.resourceVersion) return [];
		this.#held.set(key, heldOf(metadata));
		const replaced = before && before.uid !== metadata.uid ? [removal(before)] : [];
		return [...replaced, { type: "applied", object }];
	}

	remove(metadata: RawMeta): readonly IndexEvent<T>[] {
		const key = keyOf(metadata);
		const before = this.#held.get(key);
		if (!before) return [];
		this.#held.delete(key);
		return [removal(before)];
	}

	/** The list is all there is: removals of what is not in it come last. */
	replace(listed: readonly ListedObject<T>[]): readonly IndexEvent<T>[] {
		const said = new Set(listed.flatMap(({ metadata, object }) => (object === undefined ? [] : [keyOf(metadata)])));
		const gone = [...this.#held].filter(([key]) => !said.has(key));
		const events = listed.flatMap((one) => this.apply(one));
		for (const [key] of gone) this.#held.delete(key);
		// Those that are listed and not wanted any more went with `apply`.
		const told = new Set(events.flatMap((event) => (event.type === "removed" ? [event.uid] : [])));
		return [...events, ...gone.flatMap(([, held]) => (told.has(held.uid) ? [] : [removal(held)]))];
	}

	/** As objects that are gone. */
	clear(): readonly IndexEvent<T>[] {
		return this.replace([]);
	}
}

const keyOf = ({ name, namespace }: RawMeta): string => `${namespace ?? ""}/${name}`;

const heldOf = ({ name, namespace = "", resourceVersion, uid }: RawMeta): Held => ({
	namespace,
	name,
	uid,
	resourceVersion,
});

function removal({ name, namespace, uid }: Held): IndexEvent<never> {
	return { type: "removed", namespace, name, uid };
}

// All resources as they are now, by kind and key.

import type { AnyObject, ConfigObject, Kind, ObjectKey } from "../resources/config-object.ts";
import { keyOf } from "../resources/config-object.ts";
import type { Change } from "./change.ts";
import { PersistentMap } from "./persistent-map.ts";
import { sameValue } from "./same-value.ts";

export type ObjectStore = Readonly<Partial<Record<Kind, PersistentMap<AnyObject>>>>;

export interface ObjectEdit {
	readonly key: ObjectKey;
	readonly before: AnyObject | undefined;
	readonly after: AnyObject | undefined;
}

const none = PersistentMap.empty<never>();

export function objectsOf<K extends Kind>(store: ObjectStore, kind: K): PersistentMap<ConfigObject<K>> {
	// Objects are filed under their own kind.
	return (store[kind] ?? none) as unknown as PersistentMap<ConfigObject<K>>;
}

export function objectNamed<K extends Kind>(
	store: ObjectStore,
	kind: K,
	namespace: string,
	name: string,
): ConfigObject<K> | undefined {
	return objectsOf(store, kind).get(`${kind}/${namespace}/${name}`);
}

/** The store after the changes, and what really changed: objects with equal content are not replaced. */
export function applyToStore(
	store: ObjectStore,
	changes: readonly Change[],
): { readonly store: ObjectStore; readonly edits: readonly ObjectEdit[] } {
	const last = new Map<ObjectKey, AnyObject | undefined>();
	for (const change of changes) {
		if (change.type === "objectApplied") last.set(keyOf(change.object), change.object);
		else last.set(change.key, undefined);
	}
	const edits: ObjectEdit[] = [];
	for (const [key, after] of last) {
		const before = store[kindOfKey(key)]?.get(key);
		if (before === after || (before !== undefined && after !== undefined && sameContent(before, after))) continue;
		edits.push({ key, before, after });
	}
	const byKind = Map.groupBy(edits, (edit) => kindOfKey(edit.key));
	const next: Partial<Record<Kind, PersistentMap<AnyObject>>> = { ...store };
	for (const [kind, list] of byKind)
		next[kind] = (store[kind] ?? none).with(list.map((edit) => [edit.key, edit.after] as const));
	return { store: edits.length === 0 ? store : next, edits };
}

/** The origin in a file, uid and generation do not count: they change nothing that a proxy sees. */
function sameContent(a: AnyObject, b: AnyObject): boolean {
	const { uid: _uidA, generation: _generationA, ...metaA } = a.metadata;
	const { uid: _uidB, generation: _generationB, ...metaB } = b.metadata;
	return sameValue(metaA, metaB) && sameValue(a.spec, b.spec);
}

function kindOfKey(key: ObjectKey): Kind {
	return key.slice(0, key.indexOf("/")) as Kind;
}

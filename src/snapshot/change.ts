// What a source says: a resource is now like this, or it is gone. Sources hold no mesh logic.

import { type AnyObject, keyOf, type ObjectKey } from "../resources/config-object.ts";

export type Change =
	| { readonly type: "objectApplied"; readonly object: AnyObject }
	| { readonly type: "objectRemoved"; readonly key: ObjectKey };

export function keyOfChange(change: Change): ObjectKey {
	return change.type === "objectApplied" ? keyOf(change.object) : change.key;
}

export function kindOfChange(change: Change): string {
	return change.type === "objectApplied" ? change.object.kind : change.key.slice(0, change.key.indexOf("/"));
}

// What a source says: a resource is now like this, or it is gone. Sources hold no mesh logic.

import type { AnyObject, ObjectKey } from "../resources/config-object.ts";

export type Change =
	| { readonly type: "objectApplied"; readonly object: AnyObject }
	| { readonly type: "objectRemoved"; readonly key: ObjectKey };

// Something that a resource asked for and does not get, found while resources are put together.

import type { ObjectKey } from "../resources/config-object.ts";

export interface BuildProblem {
	readonly object: ObjectKey;
	/** A sentence part: what was dropped, and why. */
	readonly because: string;
	/** The resource that won, where there was a contest. */
	readonly winner?: ObjectKey;
}

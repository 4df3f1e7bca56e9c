// What every source of resources offers to a control plane, be it a directory of files or an API server.

import type { AnyObject, ObjectKey } from "../resources/config-object.ts";
import type { Problem } from "../resources/problem.ts";

export interface ResourceSource {
	/** Everything there is has been read once, and told. */
	readonly ready: Promise<void>;
	/** The newest good version, with where it stands. */
	current(key: ObjectKey): AnyObject | undefined;
	/** The same array for as long as nothing in it changes. */
	problems(): readonly Problem[];
	/** Resolves when what is there now has been told. */
	rescan(): Promise<void>;
	close(): void;
}

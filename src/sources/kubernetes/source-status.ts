// How the source of resources is: what it knows, how old that is, and why. Shown by the API, `keepmesh status` and metrics.

import type { Kind } from "../../resources/config-object.ts";

export interface KindStatus {
	/** `virtualservices.networking.istio.io` */
	readonly resource: string;
	readonly kind: Kind;
	readonly objects: number;
	readonly isSynced: boolean;
	/** Why it cannot be followed now. */
	readonly because?: string;
}

export interface SourceStatus {
	readonly server: string;
	/** What is known is as new as the server has it. */
	readonly isFresh: boolean;
	/** For how long the server has said nothing; 0 while it is fresh. */
	readonly ageMs: number;
	/** A part of what is known comes from before this process: the server has not been read as a whole since it started. */
	readonly isRestored: boolean;
	/** Why it is not fresh. */
	readonly because?: string;
	readonly kinds: readonly KindStatus[];
	/** Secrets that are asked for, each by its name. */
	readonly secrets: number;
}

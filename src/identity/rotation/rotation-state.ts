// What is known of a rotation of the mesh's root or of its issuer, as it is kept in the authority's directory: which replica
// drives it does not matter, and neither does when one dies.

export type RotationKind = "root" | "issuer";

/**
 * Of a root: add, trust-both, sign-with-new, drop-old. Of an issuer: add, sign-with-new, drop-old; its root is trusted
 * already. On the way back: sign-with-old (when leaves of the new issuer may be out), drop-new.
 */
export type RotationStage = "add" | "trust-both" | "sign-with-new" | "drop-old" | "sign-with-old" | "drop-new";

/** An issuer, and the root that its certificates lead to. */
export interface IssuerFacts {
	/** Subject key id, lower-case hex. */
	readonly keyId: string;
	readonly rootFingerprint: string;
}

/** The authority as its directory says it is. */
export interface AuthorityFacts {
	/** Fingerprints of what is trusted. */
	readonly roots: readonly string[];
	readonly issuers: readonly IssuerFacts[];
	/** Key id of the issuer that signs now. */
	readonly signing: string;
	/** Version of the trust bundle resource that follows from it and from the state's epoch. */
	readonly bundleVersion: string;
}

/** Why a stage cannot end yet. */
export type Blocker =
	/** Nothing was heard of that control plane: its proxies may trust anything. */
	| { readonly type: "replicaSilent"; readonly replica: string }
	/** It lives, and still hands out an older bundle. */
	| { readonly type: "replicaBehind"; readonly replica: string }
	| { readonly type: "proxyBehind"; readonly proxy: string; readonly replica: string }
	/** The resources say that it exists, and it is connected to no control plane. */
	| { readonly type: "proxyAbsent"; readonly proxy: string };

export interface RunningRotation {
	readonly phase: "running";
	readonly kind: RotationKind;
	readonly stage: RotationStage;
	/**
	 * Grows with each stage and is part of the trust bundle, so that no confirmation of an earlier bundle can pass for one of
	 * this stage, even where the content is the same again.
	 */
	readonly epoch: number;
	readonly from: IssuerFacts;
	/** Known once the new root or issuer has been made. */
	readonly to?: IssuerFacts;
	/** What there was before, so that what a driver made just before it died is found. */
	readonly before: { readonly roots: readonly string[]; readonly issuers: readonly string[] };
	/** Milliseconds since the epoch. */
	readonly startedMs: number;
	readonly stageStartedMs: number;
	/** Since when nothing blocks the stage. */
	readonly confirmedSinceMs?: number;
	/** The first hundred. */
	readonly blockers: readonly Blocker[];
	readonly blockerCount: number;
	/** Why the last action failed; it is tried again. */
	readonly failure?: string;
	/** It is on its way back. */
	readonly isAborted: boolean;
}

export interface FinishedRotation {
	readonly kind: RotationKind;
	readonly outcome: "done" | "aborted" | "failed";
	readonly because?: string;
	readonly from: IssuerFacts;
	readonly to?: IssuerFacts;
	readonly startedMs: number;
	readonly finishedMs: number;
}

export type RotationState =
	| { readonly phase: "idle"; readonly epoch: number; readonly last?: FinishedRotation }
	| RunningRotation;

export const noRotation: RotationState = { phase: "idle", epoch: 0 };

/** The stages on the way there. */
export function stagesOf(kind: RotationKind): readonly RotationStage[] {
	return kind === "root" ? ["add", "trust-both", "sign-with-new", "drop-old"] : ["add", "sign-with-new", "drop-old"];
}

/** Roots may get another fingerprint (recover-root.ts signs them again); a rotation under way must know them by it. */
export function withRenamedRoots(state: RotationState, renamed: ReadonlyMap<string, string>): RotationState {
	if (state.phase === "idle") return state;
	const now = (fingerprint: string): string => renamed.get(fingerprint) ?? fingerprint;
	const issuer = (facts: IssuerFacts): IssuerFacts => ({ ...facts, rootFingerprint: now(facts.rootFingerprint) });
	return {
		...state,
		from: issuer(state.from),
		...(state.to ? { to: issuer(state.to) } : {}),
		before: { ...state.before, roots: state.before.roots.map(now) },
	};
}

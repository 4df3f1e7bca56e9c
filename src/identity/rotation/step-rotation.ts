// Rotation of a root or an issuer in stages. In: requests, and again and again what the authority's directory and the fleet
// look like. Out: what to change in the authority. It goes by what is, not by what it did: whichever replica looks next goes
// on where another died, and two that look at once do the same.
//
// What it keeps true: nobody signs with an issuer whose root is not confirmed by all, and no root goes while a certificate
// that leads to it may be in use.

import { findBlockers, type ReplicaReport } from "./find-blockers.ts";
import type {
	AuthorityFacts,
	FinishedRotation,
	IssuerFacts,
	RotationKind,
	RotationStage,
	RotationState,
	RunningRotation,
} from "./rotation-state.ts";

/** Of who is missing: the state is written down at each look. */
const mostNoted = 100;

export interface RotationConfig {
	/** A stage ends only when nothing has blocked it for this time. */
	readonly settleMs: number;
}

export const defaultRotationConfig: RotationConfig = { settleMs: 5_000 };

export type RotationEvent =
	| {
			readonly type: "requested";
			readonly kind: RotationKind;
			readonly authority: AuthorityFacts;
			readonly nowMs: number;
	  }
	| { readonly type: "abortRequested"; readonly nowMs: number }
	| {
			readonly type: "observed";
			readonly authority: AuthorityFacts;
			readonly fleet: readonly ReplicaReport[];
			/** Milliseconds since the epoch: another replica may go on. */
			readonly nowMs: number;
	  }
	| {
			readonly type: "actionFailed";
			readonly action: RotationAction;
			readonly because: string;
			readonly nowMs: number;
	  };

export type RotationAction =
	| { readonly type: "addRoot" }
	| { readonly type: "addIssuer" }
	| { readonly type: "signWith"; readonly issuerKeyId: string }
	| { readonly type: "dropRoot"; readonly fingerprint: string }
	| { readonly type: "dropIssuer"; readonly issuerKeyId: string }
	/** Of a request: nothing changes. */
	| { readonly type: "refuse"; readonly because: string };

export interface RotationStep {
	readonly state: RotationState;
	/** To be run in order; afterwards look again. */
	readonly actions: readonly RotationAction[];
}

export function stepRotation(config: RotationConfig, state: RotationState, event: RotationEvent): RotationStep {
	switch (event.type) {
		case "requested":
			return begin(state, event.kind, event.authority, event.nowMs);
		case "abortRequested":
			return abort(state, event.nowMs);
		case "observed":
			return state.phase === "idle"
				? { state, actions: [] }
				: look(config, state, event.authority, event.fleet, event.nowMs);
		case "actionFailed":
			return failed(state, event.action, event.because, event.nowMs);
		default:
			return event satisfies never;
	}
}

function begin(state: RotationState, kind: RotationKind, authority: AuthorityFacts, nowMs: number): RotationStep {
	if (state.phase === "running")
		return refuse(state, `a rotation of the ${state.kind} is under way, at stage ${state.stage}`);
	const from = authority.issuers.find(({ keyId }) => keyId === authority.signing);
	if (!from) return refuse(state, "the authority does not say which issuer signs");
	const before = { roots: authority.roots, issuers: authority.issuers.map(({ keyId }) => keyId) };
	const times = { startedMs: nowMs, stageStartedMs: nowMs };
	const { epoch } = state;
	return {
		state: {
			phase: "running",
			kind,
			stage: "add",
			epoch,
			from,
			before,
			...times,
			blockers: [],
			blockerCount: 0,
			isAborted: false,
		},
		actions: [],
	};
}

function abort(state: RotationState, nowMs: number): RotationStep {
	if (state.phase === "idle") return refuse(state, "no rotation is under way");
	switch (state.stage) {
		case "add":
		case "trust-both":
			// Nothing was ever signed with it.
			return { state: enter({ ...state, isAborted: true }, "drop-new", nowMs), actions: [] };
		case "sign-with-new":
			return { state: enter({ ...state, isAborted: true }, "sign-with-old", nowMs), actions: [] };
		case "drop-old":
			return refuse(
				state,
				`the old ${state.kind} is being dropped, and proxies may have forgotten it already; let it finish, then rotate again`,
			);
		case "sign-with-old":
		case "drop-new":
			return refuse(state, "it is on its way back already");
		default:
			return state.stage satisfies never;
	}
}

function look(
	config: RotationConfig,
	state: RunningRotation,
	authority: AuthorityFacts,
	fleet: readonly ReplicaReport[],
	nowMs: number,
): RotationStep {
	if (state.stage === "add") return add(state, authority, nowMs);
	const to = state.to ?? (state.stage === "drop-new" ? addedSince(state, authority) : undefined);
	if (!to) return state.stage === "drop-new" ? end(state, "aborted", nowMs) : broken(state);
	const actions = corrections(state, to, authority);
	if (actions.length > 0) {
		const { confirmedSinceMs, ...unconfirmed } = state;
		return { state: unconfirmed, actions };
	}
	const blockers = findBlockers(fleet, authority.bundleVersion);
	const { confirmedSinceMs: before, failure, ...rest } = state;
	if (blockers.length > 0) {
		const noted = blockers.slice(0, mostNoted);
		return { state: { ...rest, blockers: noted, blockerCount: blockers.length }, actions: [] };
	}
	// A clock that was set back starts the wait again.
	const confirmedSinceMs = before !== undefined && before <= nowMs ? before : nowMs;
	const confirmed: RunningRotation = { ...rest, confirmedSinceMs, blockers: [], blockerCount: 0 };
	if (nowMs - confirmedSinceMs < config.settleMs) return { state: confirmed, actions: [] };
	return advance(confirmed, nowMs);
}

/** Makes the new one, or finds the one that a driver made and did not live to note down. */
function add(state: RunningRotation, authority: AuthorityFacts, nowMs: number): RotationStep {
	const to = addedSince(state, authority);
	if (!to) return { state, actions: [{ type: state.kind === "root" ? "addRoot" : "addIssuer" }] };
	const { failure, ...rest } = state;
	return { state: enter({ ...rest, to }, state.kind === "root" ? "trust-both" : "sign-with-new", nowMs), actions: [] };
}

/** The issuer that was not there before: under a new root, or under the old one. */
function addedSince({ kind, before, from }: RunningRotation, authority: AuthorityFacts): IssuerFacts | undefined {
	return authority.issuers.find(({ keyId, rootFingerprint }) =>
		kind === "root"
			? !before.roots.includes(rootFingerprint) && authority.roots.includes(rootFingerprint)
			: !before.issuers.includes(keyId) && rootFingerprint === from.rootFingerprint,
	);
}

/** What makes the authority as the stage wants it. Never more than one change that proxies notice. */
function corrections(state: RunningRotation, to: IssuerFacts, authority: AuthorityFacts): readonly RotationAction[] {
	const signWith = (issuer: IssuerFacts): readonly RotationAction[] =>
		authority.signing === issuer.keyId ? [] : [{ type: "signWith", issuerKeyId: issuer.keyId }];
	const drop = (issuer: IssuerFacts): readonly RotationAction[] => [
		...(state.kind === "root" && authority.roots.includes(issuer.rootFingerprint)
			? [{ type: "dropRoot", fingerprint: issuer.rootFingerprint } as const]
			: []),
		...(state.kind === "issuer" && authority.issuers.some(({ keyId }) => keyId === issuer.keyId)
			? [{ type: "dropIssuer", issuerKeyId: issuer.keyId } as const]
			: []),
	];
	switch (state.stage) {
		case "trust-both":
		case "sign-with-old":
			return signWith(state.from);
		case "sign-with-new":
			return signWith(to);
		case "drop-old":
			return authority.signing === to.keyId ? dropOld(state, to, authority) : signWith(to);
		case "drop-new":
			return authority.signing === to.keyId ? signWith(state.from) : drop(to);
		case "add":
			return [];
		default:
			return state.stage satisfies never;
	}
}

/** The old one, and what rotations left behind whose state was lost: nobody's certificate comes from these. */
function dropOld({ kind, before, from }: RunningRotation, to: IssuerFacts, authority: AuthorityFacts) {
	if (kind === "root")
		return authority.roots
			.filter((root) => before.roots.includes(root) && root !== to.rootFingerprint)
			.map((fingerprint) => ({ type: "dropRoot", fingerprint }) as const);
	return authority.issuers
		.filter(({ keyId, rootFingerprint }) => before.issuers.includes(keyId) && rootFingerprint === from.rootFingerprint)
		.filter(({ keyId }) => keyId !== to.keyId)
		.map(({ keyId }) => ({ type: "dropIssuer", issuerKeyId: keyId }) as const);
}

/** Everybody has confirmed the stage. */
function advance(state: RunningRotation, nowMs: number): RotationStep {
	switch (state.stage) {
		case "trust-both":
			return { state: enter(state, "sign-with-new", nowMs), actions: [] };
		case "sign-with-new":
			return { state: enter(state, "drop-old", nowMs), actions: [] };
		case "sign-with-old":
			return { state: enter(state, "drop-new", nowMs), actions: [] };
		case "drop-old":
			return end(state, "done", nowMs);
		case "drop-new":
			return end(state, "aborted", nowMs);
		case "add":
			return broken(state);
		default:
			return state.stage satisfies never;
	}
}

function failed(state: RotationState, action: RotationAction, because: string, nowMs: number): RotationStep {
	if (state.phase === "idle") return { state, actions: [] };
	// What cannot be made (a root that was plugged in and is kept elsewhere) will not be makeable in a second either.
	if (action.type === "addRoot" || action.type === "addIssuer") return end(state, "failed", nowMs, because);
	return { state: { ...state, failure: because }, actions: [] };
}

function enter(state: RunningRotation, stage: RotationStage, nowMs: number): RunningRotation {
	const { confirmedSinceMs, failure, ...rest } = state;
	return { ...rest, stage, epoch: state.epoch + 1, stageStartedMs: nowMs, blockers: [], blockerCount: 0 };
}

function end(
	state: RunningRotation,
	outcome: FinishedRotation["outcome"],
	nowMs: number,
	because?: string,
): RotationStep {
	const { kind, from, to, startedMs } = state;
	const last: FinishedRotation = {
		kind,
		outcome,
		from,
		startedMs,
		finishedMs: nowMs,
		...(to ? { to } : {}),
		...(because === undefined ? {} : { because }),
	};
	return { state: { phase: "idle", epoch: state.epoch, last }, actions: [] };
}

const refuse = (state: RotationState, because: string): RotationStep => ({
	state,
	actions: [{ type: "refuse", because }],
});

function broken(state: RunningRotation): never {
	throw new Error(`a rotation at stage ${state.stage} does not know what it rotates to`);
}

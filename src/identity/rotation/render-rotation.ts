// A rotation in words, for the command line, the log and the dashboard: the stages with where it stands, and who is missing.

import {
	type Blocker,
	type IssuerFacts,
	type RotationKind,
	type RotationStage,
	type RotationState,
	type RunningRotation,
	stagesOf,
} from "./rotation-state.ts";

const mostNamed = 10;

const meanings: Readonly<Record<RotationStage, (kind: RotationKind) => string>> = {
	add: (kind) => (kind === "root" ? "a new root and its issuer are made" : "a new issuer is made under the same root"),
	"trust-both": () => "every proxy learns to trust the new root beside the old one; the old one signs",
	"sign-with-new": () => "the new issuer signs; every workload's certificate is renewed",
	"drop-old": (kind) =>
		kind === "root" ? "the old root and its issuer are forgotten everywhere" : "the old issuer and its key are removed",
	"sign-with-old": () => "on the way back: the old issuer signs again; every certificate of the new one is replaced",
	"drop-new": (kind) => `on the way back: the new ${kind} is removed`,
};

export function meaningOfStage(stage: RotationStage, kind: RotationKind): string {
	return meanings[stage](kind);
}

export function renderBlocker(blocker: Blocker): string {
	switch (blocker.type) {
		case "replicaSilent":
			return `control plane ${blocker.replica} is silent; start it again, or if it is gone for good: keepmesh certs rotate-root --forget-replica ${blocker.replica}`;
		case "replicaBehind":
			return `control plane ${blocker.replica} does not hand out this stage's trust bundle yet`;
		case "proxyBehind":
			return `proxy ${blocker.proxy} (at ${blocker.replica}) has not confirmed`;
		case "proxyAbsent":
			return `proxy ${blocker.proxy} is expected, and connected to no control plane`;
		default:
			return blocker satisfies never;
	}
}

/** The first ten, then how many more. */
export function renderBlockers(blockers: readonly Blocker[], count = blockers.length): readonly string[] {
	const more = count - Math.min(mostNamed, blockers.length);
	return [...blockers.slice(0, mostNamed).map(renderBlocker), ...(more > 0 ? [`and ${more} more`] : [])];
}

export function renderRotation(state: RotationState, nowMs: number): readonly string[] {
	if (state.phase === "idle") {
		if (!state.last) return ["no rotation is under way, and none has been yet"];
		const { kind, outcome, because, finishedMs, from, to } = state.last;
		const where = outcome === "done" ? `${nameOf(from, kind)} -> ${to ? nameOf(to, kind) : "?"}` : nameOf(from, kind);
		const why = because === undefined ? "" : `: ${because}`;
		return [
			`no rotation is under way; the last, of the ${kind}, ${outcome} ${secondsOf(nowMs - finishedMs)} ago (${where})${why}`,
		];
	}
	return [
		`rotation of the ${state.kind}, started ${secondsOf(nowMs - state.startedMs)} ago: ${nameOf(state.from, state.kind)} -> ${state.to ? nameOf(state.to, state.kind) : "(not made yet)"}`,
		...stageLines(state, nowMs),
		...renderBlockers(state.blockers, state.blockerCount).map((line) => `    waits: ${line}`),
		...(state.failure === undefined ? [] : [`    failed, and is tried again: ${state.failure}`]),
	];
}

function stageLines(state: RunningRotation, nowMs: number): readonly string[] {
	const onTheWay = stagesOf(state.kind);
	const stages: readonly RotationStage[] = onTheWay.includes(state.stage) ? onTheWay : ["sign-with-old", "drop-new"];
	const current = stages.indexOf(state.stage);
	return stages.map((stage, index) => {
		const mark = index < current ? "done" : index === current ? "now " : "    ";
		const since =
			index === current
				? ` (${secondsOf(nowMs - state.stageStartedMs)}${state.confirmedSinceMs === undefined ? "" : ", confirmed by all, settling"})`
				: "";
		return `  ${mark} ${stage.padEnd(13)} ${meaningOfStage(stage, state.kind)}${since}`;
	});
}

/** What a rotation would do, and who would block it now. */
export function renderRotationPlan(
	kind: RotationKind,
	from: IssuerFacts,
	blockers: readonly Blocker[],
): readonly string[] {
	return [
		`would rotate the ${kind} ${nameOf(from, kind)}:`,
		...stagesOf(kind).map((stage, index) => `  ${index + 1}. ${stage.padEnd(13)} ${meaningOfStage(stage, kind)}`),
		"each stage ends when every proxy of every control plane has confirmed it",
		...(blockers.length === 0 ? ["nothing would block it now"] : ["would be blocked now by:"]),
		...renderBlockers(blockers).map((line) => `  ${line}`),
	];
}

function nameOf(issuer: IssuerFacts, kind: RotationKind): string {
	return (kind === "root" ? issuer.rootFingerprint : issuer.keyId).slice(0, 16);
}

function secondsOf(ms: number): string {
	return `${Math.max(0, Math.round(ms / 1000))} s`;
}

// Decides where a pod's connections go. In: the policy, and what happened to its proxy. Out: the path for the kernel, and what
// to do with the process. The order is sidecar, spare, direct, closed; the kernel takes the first that is open, so what stands
// below the sidecar in the path is what the kernel falls to by itself when the lease runs out.

import { type HotSwitchPolicy, hangAfterLeaseMs } from "./hot-switch-policy.ts";
import { closedPath, type PathState } from "./path-state.ts";
import type { ServingStep } from "./serving-step.ts";
import {
	type Adoption,
	type Bypass,
	keptSwitch,
	type SwitchAction,
	type SwitchCause,
	type SwitchEvent,
	type SwitchState,
	type SwitchTimer,
} from "./switch-state.ts";

export interface Switched {
	readonly state: SwitchState;
	readonly actions: readonly SwitchAction[];
}

interface Draft {
	readonly state: SwitchState;
	readonly cause: SwitchCause;
	readonly because: string;
	readonly actions: readonly SwitchAction[];
}

export function step(policy: HotSwitchPolicy, known: SwitchState, event: SwitchEvent): Switched {
	const { atMs } = event;
	const before = event.type === "adopted" && event.kept ? { ...known, ...keptSwitch(event.kept) } : known;
	const pathBefore = event.type === "adopted" ? event.path : before.path;
	const inWindow = before.failuresAtMs.filter((failedAtMs) => atMs - failedAtMs < policy.flapWindowMs);
	const drafted = onDeadlines(policy, onEvent(policy, { ...before, failuresAtMs: inWindow }, event), atMs);
	const { state, cause, because } = prove(policy, drafted, atMs);
	const servingStep = stepOf(state, pathOf(policy, state));
	const moved = servingStep !== before.servingStep;
	// The lease runs out before the agent hears of the end: the end is why.
	const explained = event.type === "processExited" && before.cause === "silent" && !before.hung;
	const isBetter = servingStep === "sidecar" || servingStep === "spare";
	const rested = { ...state, directSpent: state.directSpent && !isBetter };
	const path = pathOf(policy, rested);
	const settled: SwitchState = {
		...rested,
		path,
		servingStep,
		hadConnections: state.hadConnections || (path.sidecar && state.running),
		...(moved ? { sinceMs: atMs } : {}),
		...(moved || explained ? { cause, because } : {}),
		directFromMs: servingStep === "direct" && !rested.bypass ? (directSinceMs(before) ?? atMs) : undefined,
	};
	const deadlines = deadlinesOf(policy, settled);
	const actions: readonly SwitchAction[] = [
		...(pathBefore === undefined || !isEqual(path, pathBefore) ? [{ type: "setPath", path } as const] : []),
		...drafted.actions,
		...timerActions(state.deadlines, deadlines, atMs),
		...(moved ? [{ type: "report", from: before.servingStep, to: servingStep, cause, because, atMs } as const] : []),
	];
	return { state: { ...settled, deadlines }, actions };
}

function onEvent(policy: HotSwitchPolicy, state: SwitchState, event: SwitchEvent): Draft {
	const { atMs } = event;
	const draft = (next: Partial<SwitchState>, cause: SwitchCause, because: string): Draft => ({
		state: { ...state, ...next },
		cause,
		because,
		actions: [],
	});
	const failed = [...state.failuresAtMs, atMs];
	switch (event.type) {
		case "processStarted":
			return draft({ ...noProcess, running: true }, "new", "the sidecar has started");
		case "adopted":
			return draft(adopted(state, event), "adopted", adoptedBecause(event));
		case "processExited": {
			const gone = draft(
				{ ...noProcess, failuresAtMs: state.running ? failed : state.failuresAtMs },
				event.cause ?? "exited",
				event.because,
			);
			return state.hadConnections ? { ...gone, actions: [{ type: "forgetFlows" }] } : gone;
		}
		case "ready":
			// The first one of a pod has nothing to prove: nothing else has served, and nothing has failed.
			return draft(
				{ ready: true, proved: state.proved || (!state.begun && state.running), begun: true },
				"ready",
				"the sidecar is ready",
			);
		case "unready":
			return draft(
				{ ready: false, failuresAtMs: state.ready ? failed : state.failuresAtMs },
				event.cause ?? "unready",
				event.because,
			);
		case "leaseSeen":
			return draft(
				{
					lease: "held",
					hung: false,
					failuresAtMs: state.lease === "lost" && !event.starved ? failed : state.failuresAtMs,
				},
				"heardAgain",
				"the sidecar gives signs of life again",
			);
		case "leaseLost":
			if (!state.running || state.lease === "lost") return draft({}, "silent", state.because);
			return draft({ lease: "lost", silentSinceMs: atMs }, "silent", "the sidecar gives no sign of life");
		case "starved":
			return draft(state.lease === "lost" ? { silentSinceMs: atMs } : {}, state.cause, state.because);
		case "spareUp":
			return draft({ spareUp: true, patience: undefined }, "spareUp", "the spare listens");
		case "spareDown":
			return draft({ spareUp: false }, "spareDown", event.because);
		case "startHeld":
			return draft(state.servingStep === "closed" ? { because: event.because } : {}, "unready", event.because);
		case "bypassRequested": {
			const { by, why, forMs } = event;
			const bypass: Bypass = { by, why, atMs, ...(forMs === undefined ? {} : { untilMs: atMs + forMs }) };
			const possible = hasOther(policy, { ...state, bypass });
			if (possible) return draft({ bypass }, "bypass", `bypass by ${by}: ${why}`);
			const because = "no spare listens, and the policy forbids plaintext: nothing else could serve";
			return { ...draft({}, "bypass", because), actions: [{ type: "refuseBypass", because }] };
		}
		case "restoreRequested":
			return draft({ ...withoutBypass, directSpent: false }, "restored", `restored by ${event.by}`);
		case "policyChanged":
			return draft({ directSpent: false }, "policy", "the policy has changed");
		case "agentLeaves":
			return draft({ patience: {} }, state.cause, state.because);
		case "timerFired":
			// Taken out, so that one that fired early is set again.
			return draft({ deadlines: { ...state.deadlines, [event.timer]: undefined } }, state.cause, state.because);
		default:
			return event satisfies never;
	}
}

/** What is due, whatever it was that woke the machine. */
function onDeadlines(policy: HotSwitchPolicy, draft: Draft, atMs: number): Draft {
	const due = deadlinesOf(policy, draft.state);
	const isDue = (timer: SwitchTimer): boolean => (due[timer] ?? Number.POSITIVE_INFINITY) <= atMs;
	let { state, cause, because, actions } = draft;
	if (isDue("bypassEnd")) {
		state = { ...state, ...withoutBypass };
		[cause, because] = ["bypassOver", "the bypass has lasted its time"];
	}
	if (isDue("patienceEnd")) state = { ...state, patience: undefined };
	if (isDue("directEnd")) {
		state = { ...state, directSpent: true };
		[cause, because] = ["directLimit", `direct for ${policy.directLimitMs} ms, which is its limit`];
	}
	if (isDue("hang")) {
		state = { ...state, hung: true, proved: policy.enabled ? false : state.proved, silentSinceMs: atMs };
		[cause, because] = ["hung", `no sign of life for ${policy.hangMs} ms: the sidecar hangs`];
		if (policy.enabled) actions = [...actions, { type: "killProcess" }];
	}
	return { state, cause, because, actions };
}

/** Takes connections from a sidecar that is not good where something else can serve, and gives them back when it is due. */
function prove(policy: HotSwitchPolicy, draft: Draft, atMs: number): Draft {
	const { state } = draft;
	const isGood = state.running && state.ready && state.lease !== "lost";
	const isFlapping = state.failuresAtMs.length >= policy.flapCount;
	const other = hasOther(policy, state);
	if (!isGood) {
		const keeps = state.proved && state.running && !(other && (!state.ready || isFlapping));
		const off: Draft = { ...draft, state: { ...state, proved: keeps, goodSinceMs: undefined } };
		if (!state.proved || keeps || !state.ready) return off;
		return { ...off, cause: "flapping", because: `failed ${state.failuresAtMs.length} times within a short time` };
	}
	if (state.proved) return { ...draft, state: { ...state, goodSinceMs: state.goodSinceMs ?? atMs } };
	const proving: SwitchState =
		state.goodSinceMs === undefined ? { ...state, goodSinceMs: atMs, proveForMs: proveForMs(policy, state) } : state;
	if (atMs < provedAtMs(policy, proving)) return { ...draft, state: proving };
	return { ...draft, state: { ...proving, proved: true }, cause: "proved", because: "the sidecar has proved itself" };
}

/** Doubled for each failure from the one that makes it flapping. */
function proveForMs(policy: HotSwitchPolicy, { failuresAtMs }: SwitchState): number {
	const doublings = Math.max(0, failuresAtMs.length - policy.flapCount + 1);
	return Math.min(Math.max(policy.proveMs, policy.proveMaxMs), policy.proveMs * 2 ** Math.min(30, doublings));
}

/** Where all else is closed there is nothing to protect: a sidecar that does not flap is let in at once. */
function provedAtMs(policy: HotSwitchPolicy, state: SwitchState): number {
	const isFlapping = state.failuresAtMs.length >= policy.flapCount;
	return (state.goodSinceMs ?? 0) + (hasOther(policy, state) || isFlapping ? state.proveForMs : 0);
}

function pathOf(policy: HotSwitchPolicy, state: SwitchState): PathState {
	const spare = maySpare(policy, state);
	const direct = mayDirect(policy, state);
	const patient = state.patience !== undefined;
	if (state.bypass && (spare || direct)) return { sidecar: false, spare, direct, patient };
	if (!policy.enabled) return { sidecar: state.begun, spare: false, direct: false, patient };
	// Before the first sidecar was ready nothing is open: an application that starts early must not slip past.
	return { sidecar: state.proved, spare: spare && state.begun, direct: direct && state.begun, patient };
}

function stepOf(state: SwitchState, path: PathState): ServingStep {
	if (path.sidecar && state.running && state.ready && state.lease !== "lost") return "sidecar";
	if (path.spare) return "spare";
	const mayBeLate = path.sidecar && state.running && !state.hung;
	if (path.direct && !(mayBeLate && path.patient)) return "direct";
	// The last resort, in the kernel too: one that is silent or not ready, but does not hang, is better than a refusal.
	return mayBeLate ? "sidecar" : "closed";
}

function hasOther(policy: HotSwitchPolicy, state: SwitchState): boolean {
	return maySpare(policy, state) || mayDirect(policy, state);
}

function maySpare(policy: HotSwitchPolicy, state: SwitchState): boolean {
	return state.spareUp && policy.spare && (policy.enabled || state.bypass !== undefined);
}

function mayDirect(policy: HotSwitchPolicy, state: SwitchState): boolean {
	if (!(policy.direct && (policy.enabled || state.bypass !== undefined))) return false;
	// The limit is for what happens by itself; a bypass has its own end.
	if (state.directSpent && !state.bypass) return false;
	return policy.failOpen === "always" || (policy.failOpen === "permissive" && policy.permitsPlaintext);
}

function deadlinesOf(policy: HotSwitchPolicy, state: SwitchState): SwitchState["deadlines"] {
	const isProving = state.goodSinceMs !== undefined && !state.proved;
	// One that is still starting may be busy with its first configuration.
	const mayHang = state.running && (state.ready || state.hadConnections) && (policy.enabled || !state.hung);
	const { directLimitMs } = policy;
	const directFromMs = state.servingStep === "direct" && !state.bypass ? directSinceMs(state) : undefined;
	return {
		...(isProving ? { proved: provedAtMs(policy, state) } : {}),
		...(mayHang && state.lease === "lost" ? { hang: state.silentSinceMs + hangAfterLeaseMs(policy) } : {}),
		...(state.bypass?.untilMs === undefined ? {} : { bypassEnd: state.bypass.untilMs }),
		...(state.patience?.untilMs === undefined ? {} : { patienceEnd: state.patience.untilMs }),
		...(directFromMs === undefined || directLimitMs === undefined || state.directSpent
			? {}
			: { directEnd: directFromMs + directLimitMs }),
	};
}

/** An earlier agent has kept only since when it is direct. */
function directSinceMs({ servingStep, bypass, directFromMs, sinceMs }: SwitchState): number | undefined {
	return servingStep === "direct" && !bypass ? (directFromMs ?? sinceMs) : undefined;
}

function timerActions(
	before: SwitchState["deadlines"],
	after: SwitchState["deadlines"],
	atMs: number,
): readonly SwitchAction[] {
	return timers.flatMap((timer): readonly SwitchAction[] => {
		const deadline = after[timer];
		if (deadline === before[timer]) return [];
		if (deadline === undefined) return [{ type: "clearTimer", timer }];
		return [{ type: "setTimer", timer, afterMs: Math.max(0, deadline - atMs) }];
	});
}

/** What the kernel has is what was meant, so it is left as it is; what it does not tell comes with the next events. */
function adopted(
	state: SwitchState,
	{ atMs, isRunning = true, path, kept }: Adoption & { readonly atMs: number },
): Partial<SwitchState> {
	const wasServing = isRunning && (path?.sidecar ?? kept?.bypass === undefined);
	const { sidecar, spare, direct } = path ?? closedPath;
	return {
		...noProcess,
		running: isRunning,
		ready: wasServing,
		proved: wasServing,
		hadConnections: wasServing,
		begun: state.begun || wasServing || sidecar || spare || direct,
		spareUp: spare,
		path: path ?? closedPath,
		patience: path?.patient ? { untilMs: atMs + settleMs } : undefined,
	};
}

function adoptedBecause({ isRunning = true }: Adoption): string {
	return isRunning ? "it was serving when the agent began" : "the sidecar had ended when the agent began";
}

function isEqual(a: PathState, b: PathState): boolean {
	return a.sidecar === b.sidecar && a.spare === b.spare && a.direct === b.direct && a.patient === b.patient;
}

const timers: readonly SwitchTimer[] = ["proved", "hang", "bypassEnd", "directEnd", "patienceEnd"];
/** An agent that begins is busy, and its spare is not there yet. */
const settleMs = 5_000;
const withoutBypass = { bypass: undefined } as const;
const noProcess = {
	running: false,
	ready: false,
	lease: "unknown",
	hung: false,
	proved: false,
	hadConnections: false,
	goodSinceMs: undefined,
} as const;

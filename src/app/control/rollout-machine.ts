// How new configuration spreads: a few proxies first, one of each sort; when they have confirmed it and stayed well for a
// moment, the rest in waves. Comes in: what is to be tried by whom, what becomes of it at each proxy, timers. Goes out: who is
// next. Endpoints and certificates do not wait for any of this.

export interface RolloutConfig {
	/** In a mesh with fewer proxies all of them get new configuration at once. 0: in every mesh. */
	readonly minProxies: number;
	/** For so long proxies must stay well with what they confirmed before more of them get it. */
	readonly settleMs: number;
	/** A proxy that does not answer in so long is not waited for. */
	readonly answerMs: number;
	/** The share of the rest that has got it after each wave; the last is 1. */
	readonly waves: readonly number[];
}

export const defaultRolloutConfig: RolloutConfig = { minProxies: 8, settleMs: 250, answerMs: 2_000, waves: [0.25, 1] };

export interface RolloutState {
	/** Proxies that try what is new; true: they have answered. */
	readonly trying: ReadonlyMap<string, boolean>;
	/** Those that keep what they have, in the order in which they follow. */
	readonly waiting: readonly string[];
	/** How many waited at first. */
	readonly waited: number;
	/** Waves so far. */
	readonly wave: number;
	readonly phase: "idle" | "answering" | "settling";
}

export const idleRollout: RolloutState = { trying: new Map(), waiting: [], waited: 0, wave: 0, phase: "idle" };

export type RolloutEvent =
	| { readonly type: "begun"; readonly first: readonly string[]; readonly rest: readonly string[] }
	/** The proxy has confirmed, or refused, all that it was sent. */
	| { readonly type: "answered"; readonly proxyId: string }
	/** Its stream ended. */
	| { readonly type: "left"; readonly proxyId: string }
	/** What is tried changed: those who try it are asked again. */
	| { readonly type: "revised" }
	| { readonly type: "timerExpired" };

export type RolloutAction =
	/** Replaces the timer that is armed. */
	| { readonly type: "setTimer"; readonly afterMs: number }
	/** These get it as well. `isLast`: now all have. */
	| { readonly type: "widen"; readonly proxyIds: readonly string[]; readonly isLast: boolean }
	/** All have it, and have answered. */
	| { readonly type: "agreed" }
	/** And stayed well. */
	| { readonly type: "end" };

export interface RolloutStep {
	readonly state: RolloutState;
	readonly actions: readonly RolloutAction[];
}

/** Nothing new may begin: some proxies have not got what is tried now. */
export function isStaged(state: RolloutState): boolean {
	return state.waiting.length > 0;
}

export function stepRollout(config: RolloutConfig, state: RolloutState, event: RolloutEvent): RolloutStep {
	switch (event.type) {
		case "begun": {
			const trying = new Map(event.first.map((proxyId) => [proxyId, false] as const));
			return asking(config, { trying, waiting: event.rest, waited: event.rest.length, wave: 0, phase: "answering" });
		}
		case "answered":
			if (state.phase !== "answering" || state.trying.get(event.proxyId) !== false) return { state, actions: [] };
			return settleIfAllAnswered(config, { ...state, trying: new Map(state.trying).set(event.proxyId, true) });
		case "left":
			return onLeft(config, state, event.proxyId);
		case "revised": {
			if (state.phase === "idle") return { state, actions: [] };
			const trying = new Map([...state.trying.keys()].map((proxyId) => [proxyId, false] as const));
			return asking(config, { ...state, trying, phase: "answering" });
		}
		case "timerExpired":
			if (state.phase === "answering") return settling(config, state);
			return state.phase === "settling" ? widened(config, state) : { state, actions: [] };
		default:
			return event satisfies never;
	}
}

/** Of those who try it first one may have left because of it: while others wait, its return is waited for. */
function onLeft(config: RolloutConfig, state: RolloutState, proxyId: string): RolloutStep {
	const trying = new Map(state.trying);
	if (isStaged(state) && trying.has(proxyId)) trying.set(proxyId, false);
	else trying.delete(proxyId);
	const waiting = state.waiting.filter((one) => one !== proxyId);
	const next = { ...state, trying, waiting };
	return state.phase === "answering" ? settleIfAllAnswered(config, next) : { state: next, actions: [] };
}

function asking({ answerMs }: RolloutConfig, state: RolloutState): RolloutStep {
	return { state, actions: [{ type: "setTimer", afterMs: answerMs }] };
}

function settleIfAllAnswered(config: RolloutConfig, state: RolloutState): RolloutStep {
	return [...state.trying.values()].every((answered) => answered) ? settling(config, state) : { state, actions: [] };
}

function settling({ settleMs }: RolloutConfig, state: RolloutState): RolloutStep {
	const agreed: readonly RolloutAction[] = isStaged(state) ? [] : [{ type: "agreed" }];
	return { state: { ...state, phase: "settling" }, actions: [{ type: "setTimer", afterMs: settleMs }, ...agreed] };
}

function widened(config: RolloutConfig, state: RolloutState): RolloutStep {
	if (state.waiting.length === 0) return { state: idleRollout, actions: [{ type: "end" }] };
	const share = config.waves[state.wave] ?? 1;
	const already = state.waited - state.waiting.length;
	const count = Math.max(1, Math.ceil(state.waited * share) - already);
	const proxyIds = state.waiting.slice(0, count);
	const waiting = state.waiting.slice(count);
	const trying = new Map(state.trying);
	for (const proxyId of proxyIds) trying.set(proxyId, false);
	const next: RolloutState = { ...state, trying, waiting, wave: state.wave + 1, phase: "answering" };
	const { actions } = asking(config, next);
	return { state: next, actions: [...actions, { type: "widen", proxyIds, isLast: waiting.length === 0 }] };
}

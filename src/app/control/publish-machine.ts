// When changes are published. Comes in: changes, timers, the end of a publication. Goes out: timers, "publish now".
// A change after a quiet time goes out at once (2 ms, so that files saved together go together); a storm waits for a pause
// of 100 ms, but never longer than 1 s. Endpoint changes have their own lane: at once, then at most every 10 ms.

export interface PublishConfig {
	/** How long the first change after a quiet time waits for its companions. */
	readonly firstDelayMs: number;
	/** The pause that ends a storm. */
	readonly quietMs: number;
	/** The longest that any change waits. */
	readonly maxDelayMs: number;
	/** The shortest time between two publications of endpoints. */
	readonly endpointsGapMs: number;
}

export const defaultPublishConfig: PublishConfig = {
	firstDelayMs: 2,
	quietMs: 100,
	maxDelayMs: 1000,
	endpointsGapMs: 10,
};

export type PublishLane = "everything" | "endpoints";

export interface PublishState {
	readonly everything:
		| { readonly phase: "quiet" | "first" | "cooling" }
		| { readonly phase: "gathering"; readonly sinceMs: number };
	readonly endpoints: { readonly phase: "quiet" | "cooling" | "pending" };
}

export type PublishEvent =
	| { readonly type: "changed"; readonly lane: PublishLane; readonly nowMs: number }
	| { readonly type: "timerExpired"; readonly lane: PublishLane };

export type PublishAction =
	| { readonly type: "setTimer"; readonly lane: PublishLane; readonly afterMs: number }
	| { readonly type: "publish"; readonly lane: PublishLane };

export interface PublishStep {
	readonly state: PublishState;
	readonly actions: readonly PublishAction[];
}

export const initialPublishState: PublishState = { everything: { phase: "quiet" }, endpoints: { phase: "quiet" } };

/** Setting a lane's timer replaces the one that is armed. */
export function stepPublish(config: PublishConfig, state: PublishState, event: PublishEvent): PublishStep {
	switch (event.type) {
		case "changed":
			return event.lane === "endpoints"
				? endpointsChanged(config, state)
				: everythingChanged(config, state, event.nowMs);
		case "timerExpired":
			return event.lane === "endpoints" ? endpointsTimer(config, state) : everythingTimer(config, state);
		default:
			return event satisfies never;
	}
}

function everythingChanged(config: PublishConfig, state: PublishState, nowMs: number): PublishStep {
	const lane = state.everything;
	const setTimer = (afterMs: number): PublishAction => ({ type: "setTimer", lane: "everything", afterMs });
	switch (lane.phase) {
		case "quiet":
			return { state: { ...state, everything: { phase: "first" } }, actions: [setTimer(config.firstDelayMs)] };
		case "first":
			return { state, actions: [] };
		case "cooling":
			return {
				state: { ...state, everything: { phase: "gathering", sinceMs: nowMs } },
				actions: [setTimer(Math.min(config.quietMs, config.maxDelayMs))],
			};
		case "gathering": {
			const leftMs = Math.max(0, lane.sinceMs + config.maxDelayMs - nowMs);
			return { state, actions: [setTimer(Math.min(config.quietMs, leftMs))] };
		}
		default:
			return lane satisfies never;
	}
}

function everythingTimer(config: PublishConfig, state: PublishState): PublishStep {
	switch (state.everything.phase) {
		case "first":
		case "gathering":
			return {
				state: { ...state, everything: { phase: "cooling" } },
				actions: [
					{ type: "publish", lane: "everything" },
					{ type: "setTimer", lane: "everything", afterMs: config.quietMs },
				],
			};
		case "cooling":
		case "quiet":
			return { state: { ...state, everything: { phase: "quiet" } }, actions: [] };
		default:
			return state.everything satisfies never;
	}
}

function endpointsChanged(config: PublishConfig, state: PublishState): PublishStep {
	switch (state.endpoints.phase) {
		case "quiet":
			return { state: { ...state, endpoints: { phase: "cooling" } }, actions: publishEndpoints(config) };
		case "cooling":
			return { state: { ...state, endpoints: { phase: "pending" } }, actions: [] };
		case "pending":
			return { state, actions: [] };
		default:
			return state.endpoints.phase satisfies never;
	}
}

function endpointsTimer(config: PublishConfig, state: PublishState): PublishStep {
	if (state.endpoints.phase === "pending") {
		return { state: { ...state, endpoints: { phase: "cooling" } }, actions: publishEndpoints(config) };
	}
	return { state: { ...state, endpoints: { phase: "quiet" } }, actions: [] };
}

function publishEndpoints(config: PublishConfig): readonly PublishAction[] {
	return [
		{ type: "publish", lane: "endpoints" },
		{ type: "setTimer", lane: "endpoints", afterMs: config.endpointsGapMs },
	];
}

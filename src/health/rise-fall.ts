// Results of a check become "up" or "down". The counter is keepalived's (vrrp_script): 0 to rise+fall-1, up from `rise` on. A
// success below it counts one up, one at the brink fills it; a failure counts one down, one at the brink empties it.

export interface RiseFallConfig {
	/** Good results until it counts as up, bad ones until it counts as down; each at least 1. */
	readonly rise: number;
	readonly fall: number;
	/** Down until `rise` results were good (`init_fail`). */
	readonly startsFailed: boolean;
	/** keepalived's way: a first result that is bad is believed at once. Otherwise it takes `fall` of them. */
	readonly firstResultDecides: boolean;
}

export interface RiseFallState {
	/** `unknown` until enough is known: keepalived's SCRIPT_INIT_STATE_INIT. */
	readonly status: "unknown" | "up" | "down";
	/** keepalived's counter; without meaning while unknown. */
	readonly result: number;
	/** While unknown: so many were bad. */
	readonly run: number;
}

export function startRiseFall(config: RiseFallConfig): RiseFallState {
	if (config.startsFailed) return { status: "down", result: 0, run: 0 };
	return { status: "unknown", result: config.rise - 1, run: 0 };
}

/** The same object comes back when nothing changed. */
export function countResult(config: RiseFallConfig, state: RiseFallState, ok: boolean): RiseFallState {
	const full = config.rise + config.fall - 1;
	if (state.status === "unknown") {
		// Nothing has failed yet that `rise` would have to make good for: whoever waits for the first result may go on.
		if (ok) return { status: "up", result: full, run: 0 };
		const run = state.run + 1;
		if (!config.firstResultDecides && run < config.fall) return { ...state, run };
		return { status: "down", result: 0, run: 0 };
	}
	const result = ok
		? state.result < config.rise - 1
			? state.result + 1
			: full
		: state.result > config.rise
			? state.result - 1
			: 0;
	if (result === state.result) return state;
	return { status: result >= config.rise ? "up" : "down", result, run: 0 };
}

/** The state after a reload with other numbers: what was up stays up, what was down stays down, with a fresh counter. */
export function carryRiseFall(config: RiseFallConfig, state: RiseFallState): RiseFallState {
	if (state.status === "unknown") return startRiseFall(config);
	const result = state.status === "up" ? config.rise + config.fall - 1 : 0;
	return { status: state.status, result, run: 0 };
}

/** How far it is from the other side, for people: `2 more failures until down`. */
export function untilChange(config: RiseFallConfig, state: RiseFallState): string {
	const times = (count: number, what: string): string => `${count} ${what}${count === 1 ? "" : "s"}`;
	switch (state.status) {
		case "unknown":
			return "no result yet";
		case "up":
			return `${times(Math.max(1, state.result - config.rise + 1), "failure")} until down`;
		case "down":
			return `${times(Math.max(1, config.rise - state.result), "success").replace("successs", "successes")} until up`;
		default:
			return state.status satisfies never;
	}
}

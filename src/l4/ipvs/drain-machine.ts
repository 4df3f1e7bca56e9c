// When leaving destinations may go: as soon as the kernel counts no connection of theirs. In: who leaves, who comes back, what the kernel
// counts. Out: whom to remove, and when to count again. kube-proxy's graceful termination counts once a minute; here every two seconds.

export interface DrainConfig {
	/** Between two counts. */
	readonly pollMs: number;
	/** A destination goes after that time whatever it still has; absent: never before its connections end. */
	readonly longestMs?: number;
}

export const defaultDrainConfig: DrainConfig = { pollMs: 2_000 };

/** A destination of a virtual server, by their names. */
export interface Leaver {
	readonly server: string;
	readonly destination: string;
}

export interface DrainState {
	/** Since when, by leaverName. */
	readonly leaving: ReadonlyMap<string, Leaver & { readonly sinceMs: number }>;
	readonly isTimerSet: boolean;
}

export const noDrain: DrainState = { leaving: new Map(), isTimerSet: false };

export type DrainEvent =
	| { readonly type: "left"; readonly leavers: readonly Leaver[]; readonly nowMs: number }
	/** It is wanted again, or gone with its virtual server. */
	| { readonly type: "returned"; readonly leavers: readonly Leaver[] }
	/** Connections by leaverName; one that is not there is gone already. */
	| { readonly type: "counted"; readonly connections: ReadonlyMap<string, number>; readonly nowMs: number }
	/** The kernel could not be asked. */
	| { readonly type: "countFailed" };

export type DrainAction =
	| { readonly type: "remove"; readonly leavers: readonly Leaver[] }
	| { readonly type: "countAfter"; readonly ms: number };

export const leaverName = ({ server, destination }: Leaver): string => `${server} -> ${destination}`;

interface Stepped {
	readonly state: DrainState;
	readonly actions: readonly DrainAction[];
}

export function step(config: DrainConfig, state: DrainState, event: DrainEvent): Stepped {
	switch (event.type) {
		case "left": {
			const leaving = new Map(state.leaving);
			for (const leaver of event.leavers)
				if (!leaving.has(leaverName(leaver))) leaving.set(leaverName(leaver), { ...leaver, sinceMs: event.nowMs });
			return counting(config, { ...state, leaving }, []);
		}
		case "returned": {
			const leaving = new Map(state.leaving);
			for (const leaver of event.leavers) leaving.delete(leaverName(leaver));
			return { state: { ...state, leaving }, actions: [] };
		}
		case "counted": {
			const leaving = new Map(state.leaving);
			const gone: Leaver[] = [];
			for (const [name, { server, destination, sinceMs }] of state.leaving) {
				const isLate = config.longestMs !== undefined && event.nowMs - sinceMs >= config.longestMs;
				if (!isLate && (event.connections.get(name) ?? 0) > 0) continue;
				leaving.delete(name);
				gone.push({ server, destination });
			}
			const actions: readonly DrainAction[] = gone.length > 0 ? [{ type: "remove", leavers: gone }] : [];
			return counting(config, { leaving, isTimerSet: false }, actions);
		}
		case "countFailed":
			return counting(config, { ...state, isTimerSet: false }, []);
		default:
			return event satisfies never;
	}
}

function counting(config: DrainConfig, state: DrainState, actions: readonly DrainAction[]): Stepped {
	if (state.isTimerSet || state.leaving.size === 0) return { state, actions };
	return { state: { ...state, isTimerSet: true }, actions: [...actions, { type: "countAfter", ms: config.pollMs }] };
}

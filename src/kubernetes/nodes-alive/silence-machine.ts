// What one node hears of the others. In: who the nodes are, heartbeats as they come, and time. Out: whom to send heartbeats to,
// and which of those that it listens to have fallen silent. It only says what it heard; who is lost, others judge.

import { watchedBy, watchersOf } from "./watch-ring.ts";

export interface SilenceConfig {
	readonly beatMs: number;
	/** A node of which nothing was heard for so long is silent. */
	readonly silentMs: number;
	/** A silent one is heard again after so many heartbeats. */
	readonly beatsUntilHeard: number;
	/** What a reported silence is said again after. */
	readonly repeatMs: number;
}

export const defaultSilenceConfig: SilenceConfig = { beatMs: 100, silentMs: 450, beatsUntilHeard: 3, repeatMs: 1_000 };

/** One that was never heard is not here: nobody knows whether it sends heartbeats at all. */
interface Heard {
	readonly boot: bigint;
	readonly sequence: bigint;
	readonly atMs: number;
	/** Since when it is silent, and how many heartbeats came since. */
	readonly silence?: { readonly sinceMs: number; readonly beats: number };
}

export interface SilenceState {
	readonly self: string;
	readonly sendTo: readonly string[];
	readonly listenTo: ReadonlySet<string>;
	readonly heard: ReadonlyMap<string, Heard>;
	readonly tickedAtMs?: number;
	readonly reportedAtMs?: number;
}

export type SilenceEvent =
	| { readonly type: "membersChanged"; readonly members: readonly string[] }
	| {
			readonly type: "heard";
			readonly node: string;
			/** Of its machine. */
			readonly boot: bigint;
			readonly sequence: bigint;
			readonly nowMs: number;
	  }
	/** Every `beatMs`. */
	| { readonly type: "ticked"; readonly nowMs: number };

export type SilenceAction =
	| { readonly type: "beat"; readonly to: readonly string[] }
	/** All that are silent now; an empty list ends what was said before. */
	| { readonly type: "report"; readonly silent: readonly SilentNode[] };

export interface SilentNode {
	readonly node: string;
	readonly forMs: number;
}

export interface SilenceStep {
	readonly state: SilenceState;
	readonly actions: readonly SilenceAction[];
}

export function initialSilence(self: string): SilenceState {
	return { self, sendTo: [], listenTo: new Set(), heard: new Map() };
}

export function stepSilence(config: SilenceConfig, state: SilenceState, event: SilenceEvent): SilenceStep {
	switch (event.type) {
		case "membersChanged": {
			const listenTo = new Set(watchedBy(state.self, event.members));
			const heard = new Map([...state.heard].filter(([node]) => listenTo.has(node)));
			const next = { ...state, sendTo: watchersOf(state.self, event.members), listenTo, heard };
			return told(next, state, undefined);
		}
		case "heard":
			return onHeard(config, state, event);
		case "ticked":
			return onTick(config, state, event.nowMs);
		default:
			return event satisfies never;
	}
}

export function silentNodes({ heard }: SilenceState, nowMs: number): readonly SilentNode[] {
	return [...heard].flatMap(([node, { silence }]) =>
		silence ? [{ node, forMs: Math.max(0, Math.round(nowMs - silence.sinceMs)) }] : [],
	);
}

function onHeard(
	{ beatsUntilHeard }: SilenceConfig,
	state: SilenceState,
	{ boot, node, sequence, nowMs }: Extract<SilenceEvent, { type: "heard" }>,
): SilenceStep {
	const before = state.heard.get(node);
	// An older one was sent again by somebody, or overtaken; or the machine was booted, and its clock is wrong.
	const isBooted = before?.silence !== undefined && boot !== before.boot;
	const isOld = before !== undefined && sequence <= before.sequence && !isBooted;
	if (!state.listenTo.has(node) || isOld) return { state, actions: [] };
	const beats = (before?.silence?.beats ?? 0) + 1;
	const isSilent = before?.silence !== undefined && beats < beatsUntilHeard;
	const silence = isSilent && before?.silence ? { silence: { ...before.silence, beats } } : {};
	const heard = new Map(state.heard).set(node, { boot, sequence, atMs: nowMs, ...silence });
	return told({ ...state, heard }, state, nowMs);
}

function onTick(config: SilenceConfig, state: SilenceState, nowMs: number): SilenceStep {
	// While this process stood still it heard nobody, which says nothing of them.
	const stoodMs = Math.max(0, nowMs - (state.tickedAtMs ?? nowMs) - 1.5 * config.beatMs);
	const heard = new Map<string, Heard>();
	for (const [node, one] of state.heard) {
		const atMs = Math.min(nowMs, one.atMs + stoodMs);
		const isSilent = nowMs - atMs >= config.silentMs;
		if (!isSilent) heard.set(node, { ...one, atMs });
		else heard.set(node, { ...one, atMs, silence: { sinceMs: one.silence?.sinceMs ?? atMs, beats: 0 } });
	}
	const { state: next, actions } = told({ ...state, heard, tickedAtMs: nowMs }, state, nowMs);
	const isDue = state.reportedAtMs !== undefined && nowMs - state.reportedAtMs >= config.repeatMs;
	const again = actions.length === 0 && isDue && silentNodes(next, nowMs).length > 0 ? report(next, nowMs) : undefined;
	const beat: readonly SilenceAction[] = state.sendTo.length > 0 ? [{ type: "beat", to: state.sendTo }] : [];
	return { state: again?.state ?? next, actions: [...beat, ...actions, ...(again?.actions ?? [])] };
}

/** With a report when other nodes are silent than before. */
function told(next: SilenceState, before: SilenceState, nowMs: number | undefined): SilenceStep {
	const names = (state: SilenceState): string =>
		silentNodes(state, 0)
			.map(({ node }) => node)
			.sort()
			.join();
	if (names(next) === names(before)) return { state: next, actions: [] };
	return report(next, nowMs ?? next.tickedAtMs ?? 0);
}

function report(state: SilenceState, nowMs: number): SilenceStep {
	return {
		state: { ...state, reportedAtMs: nowMs },
		actions: [{ type: "report", silent: silentNodes(state, nowMs) }],
	};
}

// The verdict on one control plane that a node is lost: the nodes that listen to it say so, at least two where there are two, and
// it does not answer this control plane either. Never by one word alone. It is undone when the node answers again for a while.

import type {
	LostNode,
	Suspect,
	VerdictAction,
	VerdictConfig,
	VerdictEvent,
	VerdictState,
	VerdictStep,
} from "./verdict-state.ts";
import { watchersOf } from "./watch-ring.ts";

export function stepVerdict(config: VerdictConfig, state: VerdictState, event: VerdictEvent): VerdictStep {
	switch (event.type) {
		case "nodesChanged":
			return onNodes(config, state, new Set(event.nodes), event.nowMs);
		case "reported": {
			const { observer, order, nowMs } = event;
			const before = state.reports.get(observer)?.order;
			const isOlder =
				before &&
				(order.agentMs < before.agentMs || (order.agentMs === before.agentMs && order.sequence <= before.sequence));
			if (isOlder || !state.nodes.has(observer)) return judge(config, state, nowMs);
			const silent = new Set(event.silent.filter((node) => node !== observer && state.nodes.has(node)));
			const reports = new Map(state.reports).set(observer, { silent, order, atMs: nowMs });
			return judge(config, { ...state, reports }, nowMs);
		}
		case "adopted": {
			const { adopted, lost } = withAdopted(config, state, event.nodes, event.nowMs);
			const step = judge(config, { ...state, lost }, event.nowMs);
			const told = adopted.map((node) => ({ type: "lost", node, observers: [], silentForMs: 0 }) as const);
			return { ...step, actions: [...told, ...step.actions] };
		}
		case "answered":
			return judge(config, answered(config, state, event), event.nowMs);
		case "ticked":
			return judge(config, state, event.nowMs);
		default:
			return event satisfies never;
	}
}

/** Who says that it is silent, of those that are not lost themselves; sorted. */
export function observersOf({ lost, reports }: VerdictState, node: string): readonly string[] {
	return [...reports]
		.filter(([observer, { silent }]) => silent.has(node) && !lost.has(observer))
		.map(([observer]) => observer)
		.sort();
}

function onNodes(config: VerdictConfig, state: VerdictState, nodes: ReadonlySet<string>, nowMs: number): VerdictStep {
	const known = <T>(map: ReadonlyMap<string, T>): ReadonlyMap<string, T> =>
		new Map([...map].filter(([node]) => nodes.has(node)));
	const next: VerdictState = {
		...state,
		nodes,
		reports: known(state.reports),
		suspects: known(state.suspects),
		lost: known(state.lost),
		held: new Set([...state.held].filter((node) => nodes.has(node))),
		boots: known(state.boots),
		returned: known(state.returned),
	};
	const gone = [...state.lost.keys()].filter((node) => !nodes.has(node));
	const step = judge(config, next, nowMs);
	return { ...step, actions: [...gone.map((node) => ({ type: "forgotten", node }) as const), ...step.actions] };
}

function withAdopted(
	{ backAfterMs }: VerdictConfig,
	state: VerdictState,
	nodes: readonly string[],
	nowMs: number,
): { readonly adopted: readonly string[]; readonly lost: ReadonlyMap<string, LostNode> } {
	const adopted = nodes.filter((node) => state.nodes.has(node) && !state.lost.has(node));
	const asLost: LostNode = { sinceMs: nowMs, observers: [], askedAtMs: Number.NEGATIVE_INFINITY, backAfterMs };
	return { adopted, lost: new Map([...state.lost, ...adopted.map((node) => [node, asLost] as const)]) };
}

function answered(
	{ gapMs }: VerdictConfig,
	state: VerdictState,
	{ node, boot, nowMs }: Extract<VerdictEvent, { type: "answered" }>,
): VerdictState {
	if (!state.nodes.has(node)) return state;
	const lost = state.lost.get(node);
	if (lost) {
		const { answering } = lost;
		const isGap = answering === undefined || nowMs - answering.lastMs > gapMs;
		const known = boot ?? (isGap ? undefined : answering.boot);
		const sinceMs = isGap ? nowMs : answering.sinceMs;
		const next = { ...lost, answering: { sinceMs, lastMs: nowMs, ...(known === undefined ? {} : { boot: known }) } };
		return { ...state, lost: new Map(state.lost).set(node, next) };
	}
	const suspect = state.suspects.get(node);
	const boots = boot === undefined ? state.boots : new Map(state.boots).set(node, boot);
	if (!suspect) return { ...state, boots };
	const heard: Suspect = { ...suspect, unansweredSinceMs: nowMs, asked: 0 };
	return { ...state, boots, suspects: new Map(state.suspects).set(node, heard) };
}

function judge(config: VerdictConfig, before: VerdictState, nowMs: number): VerdictStep {
	const actions: VerdictAction[] = [];
	const awake = afterStandstill(config, before, nowMs);
	const state = withReturned(config, withSuspects(config, awake, nowMs), nowMs, actions);
	const asked = ask(config, withLost(config, state, nowMs, actions), nowMs, actions);
	const wakeAtMs = nextAskMs(config, asked);
	if (wakeAtMs === undefined) return { state: { ...asked, wakeAtMs }, actions };
	return { state: { ...asked, wakeAtMs }, actions, wakeAfterMs: Math.max(1, wakeAtMs - nowMs) };
}

/** While this process stood still it saw no answers, which says nothing of the nodes. */
function afterStandstill({ askEveryMs }: VerdictConfig, state: VerdictState, nowMs: number): VerdictState {
	if (state.wakeAtMs === undefined || nowMs - state.wakeAtMs <= askEveryMs) return state;
	const restarted = (suspect: Suspect): Suspect => ({ ...suspect, unansweredSinceMs: nowMs, asked: 0 });
	return { ...state, suspects: new Map([...state.suspects].map(([node, one]) => [node, restarted(one)])) };
}

function withSuspects(config: VerdictConfig, state: VerdictState, nowMs: number): VerdictState {
	const reports = new Map([...state.reports].filter(([, { atMs }]) => nowMs - atMs < config.reportLastsMs));
	const next = reports.size === state.reports.size ? state : { ...state, reports };
	const suspects = new Map<string, Suspect>();
	for (const { silent } of reports.values())
		for (const node of silent) {
			if (state.lost.has(node) || observersOf(next, node).length === 0) continue;
			const fresh = { sinceMs: nowMs, unansweredSinceMs: nowMs, askedAtMs: Number.NEGATIVE_INFINITY, asked: 0 };
			suspects.set(node, state.suspects.get(node) ?? fresh);
		}
	return { ...next, suspects };
}

function withReturned(
	config: VerdictConfig,
	state: VerdictState,
	nowMs: number,
	actions: VerdictAction[],
): VerdictState {
	const lost = new Map(state.lost);
	const returned = new Map([...state.returned].filter(([, { atMs }]) => nowMs - atMs < config.againWithinMs));
	const boots = new Map(state.boots);
	for (const [node, one] of state.lost) {
		if (!isBack(config, one, nowMs)) continue;
		const boot = one.answering?.boot;
		lost.delete(node);
		returned.set(node, { atMs: nowMs, backAfterMs: one.backAfterMs });
		if (boot !== undefined) boots.set(node, boot);
		const rebooted = boot === undefined || one.boot !== boot;
		actions.push({ type: "back", node, rebooted, afterMs: Math.round(nowMs - one.sinceMs) });
	}
	return lost.size === state.lost.size ? { ...state, returned } : { ...state, lost, returned, boots };
}

function isBack(config: VerdictConfig, { answering, backAfterMs }: LostNode, nowMs: number): boolean {
	if (answering === undefined || nowMs - answering.lastMs > config.gapMs) return false;
	const forMs = answering.lastMs - answering.sinceMs;
	return forMs >= (answering.boot === undefined ? config.backWithoutAgentMs : backAfterMs);
}

function withLost(config: VerdictConfig, state: VerdictState, nowMs: number, actions: VerdictAction[]): VerdictState {
	const due = [...state.suspects.keys()].filter((node) => isLost(config, state, node, nowMs));
	const isTooMany = due.length > 0 && state.lost.size + due.length > state.nodes.size * config.maxLostShare;
	const held = new Set(isTooMany ? due : []);
	if ([...held].some((node) => !state.held.has(node))) actions.push({ type: "held", nodes: [...held].sort() });
	if (isTooMany || due.length === 0) return { ...state, held };
	const lost = new Map(state.lost);
	const suspects = new Map(state.suspects);
	for (const node of due) {
		const observers = observersOf(state, node);
		const suspect = state.suspects.get(node);
		suspects.delete(node);
		const boot = state.boots.get(node);
		const earlier = state.returned.get(node);
		lost.set(node, {
			sinceMs: nowMs,
			observers,
			...(boot === undefined ? {} : { boot }),
			askedAtMs: nowMs,
			backAfterMs: earlier ? Math.min(config.maxBackAfterMs, 2 * earlier.backAfterMs) : config.backAfterMs,
		});
		actions.push({ type: "lost", node, observers, silentForMs: Math.round(nowMs - (suspect?.sinceMs ?? nowMs)) });
	}
	return { ...state, lost, suspects, held };
}

function isLost(config: VerdictConfig, state: VerdictState, node: string, nowMs: number): boolean {
	const suspect = state.suspects.get(node);
	if (!suspect || suspect.asked < 3) return false;
	const listening = watchersOf(node, [...state.nodes]).filter((one) => !state.lost.has(one)).length;
	const isEnough = observersOf(state, node).length >= Math.min(2, listening);
	if (!isEnough || listening === 0) return false;
	return nowMs - suspect.unansweredSinceMs >= (listening < 2 ? config.unansweredAloneMs : config.unansweredMs);
}

function ask(config: VerdictConfig, state: VerdictState, nowMs: number, actions: VerdictAction[]): VerdictState {
	const suspects = new Map(state.suspects);
	const lost = new Map(state.lost);
	for (const [node, suspect] of state.suspects) {
		if (nowMs < suspectDueMs(config, suspect)) continue;
		actions.push({ type: "ask", node });
		suspects.set(node, { ...suspect, askedAtMs: nowMs, asked: suspect.asked + 1 });
	}
	for (const [node, one] of state.lost) {
		if (nowMs < lostDueMs(config, one)) continue;
		actions.push({ type: "ask", node });
		lost.set(node, { ...one, askedAtMs: nowMs });
	}
	return { ...state, suspects, lost };
}

function nextAskMs(config: VerdictConfig, { lost, suspects }: VerdictState): number | undefined {
	const all = [
		...[...suspects.values()].map((one) => suspectDueMs(config, one)),
		...[...lost.values()].map((one) => lostDueMs(config, one)),
	];
	return all.length === 0 ? undefined : Math.min(...all);
}

/** One that answers all the time may be suspected for long: its agent alone is away. */
function suspectDueMs({ askEveryMs }: VerdictConfig, { asked, askedAtMs }: Suspect): number {
	return askedAtMs + (asked === 0 ? 4 : 1) * askEveryMs;
}

function lostDueMs({ askEveryMs }: VerdictConfig, { askedAtMs }: LostNode): number {
	return askedAtMs + 2 * askEveryMs;
}

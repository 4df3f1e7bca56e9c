// What a control plane knows on its way to the verdict that a node is lost, and what it is told.

export interface VerdictConfig {
	/** While somebody says that a node is silent, it is asked this often. */
	readonly askEveryMs: number;
	/** Two nodes say so, and it has not answered for so long: it is lost. */
	readonly unansweredMs: number;
	/** The same where only one node is left that listens to it. */
	readonly unansweredAloneMs: number;
	/** A node's word, unless it is said again. */
	readonly reportLastsMs: number;
	/** A lost one that has answered for so long without a gap is back. Doubles for one that is lost again and again. */
	readonly backAfterMs: number;
	readonly maxBackAfterMs: number;
	/** Longer between two answers is a gap. */
	readonly gapMs: number;
	/** One whose machine answers, but no agent: it counts as back, as after a boot. */
	readonly backWithoutAgentMs: number;
	/** Lost so soon after it came back is lost again. */
	readonly againWithinMs: number;
	/** Of all nodes. More at once are more likely a broken network of ours, and are held. */
	readonly maxLostShare: number;
}

export const defaultVerdictConfig: VerdictConfig = {
	askEveryMs: 50,
	unansweredMs: 200,
	unansweredAloneMs: 300,
	reportLastsMs: 3_000,
	backAfterMs: 1_000,
	maxBackAfterMs: 30_000,
	gapMs: 800,
	backWithoutAgentMs: 30_000,
	againWithinMs: 120_000,
	maxLostShare: 0.5,
};

export interface Report {
	readonly silent: ReadonlySet<string>;
	readonly atMs: number;
	/** Orders the reports of one node. */
	readonly order: ReportOrder;
}

export interface ReportOrder {
	/** When the agent that reports began, in milliseconds since the epoch. */
	readonly agentMs: number;
	readonly sequence: number;
}

/** Somebody says that it is silent. */
export interface Suspect {
	readonly sinceMs: number;
	/** Asked, and not answered since. */
	readonly unansweredSinceMs: number;
	readonly askedAtMs: number;
	/** Questions since the last answer. */
	readonly asked: number;
}

export interface LostNode {
	readonly sinceMs: number;
	/** Who listened to it and said so, sorted. */
	readonly observers: readonly string[];
	/** Of the run that was lost; unknown when it never answered before. */
	readonly boot?: bigint;
	readonly askedAtMs: number;
	readonly answering?: { readonly sinceMs: number; readonly lastMs: number; readonly boot?: bigint };
	readonly backAfterMs: number;
}

export interface VerdictState {
	readonly nodes: ReadonlySet<string>;
	readonly reports: ReadonlyMap<string, Report>;
	readonly suspects: ReadonlyMap<string, Suspect>;
	readonly lost: ReadonlyMap<string, LostNode>;
	/** Would be lost, but too many are. */
	readonly held: ReadonlySet<string>;
	/** As its agent said last. */
	readonly boots: ReadonlyMap<string, bigint>;
	/** When lost ones came back, and after how long a time of answering. */
	readonly returned: ReadonlyMap<string, { readonly atMs: number; readonly backAfterMs: number }>;
	/** A tick is due then. */
	readonly wakeAtMs?: number | undefined;
}

export const initialVerdicts: VerdictState = {
	nodes: new Set(),
	reports: new Map(),
	suspects: new Map(),
	lost: new Map(),
	held: new Set(),
	boots: new Map(),
	returned: new Map(),
};

export type VerdictEvent =
	| { readonly type: "nodesChanged"; readonly nodes: readonly string[]; readonly nowMs: number }
	/** All that the observer finds silent; an empty list takes back what it said. */
	| {
			readonly type: "reported";
			readonly observer: string;
			readonly order: ReportOrder;
			readonly silent: readonly string[];
			readonly nowMs: number;
	  }
	/** Lost, as another control plane has written down: this one has just begun, and has heard nothing yet. */
	| { readonly type: "adopted"; readonly nodes: readonly string[]; readonly nowMs: number }
	/** By its agent, or by its kernel, which refused the question: then it has no boot. */
	| { readonly type: "answered"; readonly node: string; readonly boot?: bigint; readonly nowMs: number }
	/** When `wakeAfterMs` said. */
	| { readonly type: "ticked"; readonly nowMs: number };

export type VerdictAction =
	| { readonly type: "ask"; readonly node: string }
	/** `observers` is empty where it was adopted. */
	| {
			readonly type: "lost";
			readonly node: string;
			readonly observers: readonly string[];
			readonly silentForMs: number;
	  }
	/** `rebooted`, also where nobody can tell: what ran there before may not run yet. */
	| { readonly type: "back"; readonly node: string; readonly rebooted: boolean; readonly afterMs: number }
	/** Its Node is gone, and with it what was said of it. */
	| { readonly type: "forgotten"; readonly node: string }
	| { readonly type: "held"; readonly nodes: readonly string[] };

export interface VerdictStep {
	readonly state: VerdictState;
	readonly actions: readonly VerdictAction[];
	/** Tick again then; absent: nothing is suspected. */
	readonly wakeAfterMs?: number;
}

// A cluster to try the machines in: nodes that listen to each other, one control plane, a network that loses and delays. Time goes
// in steps of 10 ms; everything by chance comes from a seed.

import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import { defaultSilenceConfig, initialSilence, type SilenceEvent, stepSilence } from "./silence-machine.ts";
import { stepVerdict } from "./verdict-machine.ts";
import {
	defaultVerdictConfig,
	initialVerdicts,
	type VerdictAction,
	type VerdictConfig,
	type VerdictEvent,
} from "./verdict-state.ts";

export const control = "control";
const stepMs = 10;

interface SimulatedNode {
	silence: ReturnType<typeof initialSilence>;
	hasPower: boolean;
	/** The agent; its machine answers without it. */
	runs: boolean;
	boot: bigint;
	nextTickMs: number;
	sequence: number;
	agentMs: number;
}

export class AliveWorld {
	nowMs = 1_000;
	/** What the control plane said, with the time. */
	readonly said: { readonly atMs: number; readonly action: Exclude<VerdictAction, { type: "ask" }> }[] = [];
	/** Of all datagrams and reports. */
	lossShare = 0;
	asked = 0;
	readonly #random: () => number;
	readonly #config: VerdictConfig;
	readonly #nodes = new Map<string, SimulatedNode>();
	readonly #cut = new Set<string>();
	#underWay: { atMs: number; run: () => void }[] = [];
	#verdicts = initialVerdicts;
	#wakeAtMs: number | undefined;
	#controlStallsUntilMs = 0;
	#held: VerdictEvent[] = [];

	constructor(count: number, seed: number, config: Partial<VerdictConfig> = {}) {
		this.#random = seededRandom(seed);
		this.#config = { ...defaultVerdictConfig, ...config };
		for (let n = 1; n <= count; n++)
			this.#nodes.set(`n${n}`, {
				silence: initialSilence(`n${n}`),
				hasPower: true,
				runs: true,
				boot: BigInt(n),
				nextTickMs: this.nowMs + this.#random() * 100,
				sequence: 0,
				agentMs: 1,
			});
		for (const name of this.names) this.#silence(name, { type: "membersChanged", members: this.names });
		this.#judge({ type: "nodesChanged", nodes: this.names, nowMs: this.nowMs });
		this.run(1_000);
	}

	get names(): readonly string[] {
		return [...this.#nodes.keys()];
	}

	get lost(): readonly string[] {
		return [...this.#verdicts.lost.keys()].sort();
	}

	isUp(name: string): boolean {
		return this.#node(name).hasPower;
	}

	powerOff(name: string): void {
		Object.assign(this.#node(name), { hasPower: false, runs: false });
	}

	powerOn(name: string): void {
		const node = this.#node(name);
		Object.assign(node, { hasPower: true, boot: node.boot + 1_000n });
		this.startAgent(name);
	}

	stopAgent(name: string): void {
		this.#node(name).runs = false;
	}

	startAgent(name: string): void {
		const node = this.#node(name);
		if (node.runs || !node.hasPower) return;
		Object.assign(node, { runs: true, silence: initialSilence(name), nextTickMs: this.nowMs, agentMs: this.nowMs });
		this.#silence(name, { type: "membersChanged", members: this.names });
	}

	/** Between two nodes, or a node and the control plane, both ways. */
	cut(a: string, b: string): void {
		this.#cut.add(`${a} ${b}`).add(`${b} ${a}`);
	}

	heal(): void {
		this.#cut.clear();
	}

	isCut(a: string, b: string): boolean {
		return this.#cut.has(`${a} ${b}`);
	}

	/** The node's process stands still. */
	stall(name: string, forMs: number): void {
		const node = this.#node(name);
		node.nextTickMs = Math.max(node.nextTickMs, this.nowMs + forMs);
	}

	stallControl(forMs: number): void {
		this.#controlStallsUntilMs = this.nowMs + forMs;
	}

	run(ms: number): void {
		for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += stepMs) this.#step();
	}

	#step(): void {
		const due = this.#underWay.filter(({ atMs }) => atMs <= this.nowMs);
		this.#underWay = this.#underWay.filter(({ atMs }) => atMs > this.nowMs);
		for (const { run } of due) run();
		for (const [name, node] of this.#nodes) {
			if (!node.runs || node.nextTickMs > this.nowMs) continue;
			node.nextTickMs = this.nowMs + defaultSilenceConfig.beatMs;
			this.#silence(name, { type: "ticked", nowMs: this.nowMs });
		}
		if (this.nowMs < this.#controlStallsUntilMs) return;
		// A process that stood still first runs its timers.
		if (this.#wakeAtMs !== undefined && this.#wakeAtMs <= this.nowMs)
			this.#judge({ type: "ticked", nowMs: this.nowMs });
		for (const event of this.#held.splice(0)) this.#judge({ ...event, nowMs: this.nowMs });
	}

	#silence(name: string, event: SilenceEvent): void {
		const node = this.#node(name);
		const { state, actions } = stepSilence(defaultSilenceConfig, node.silence, event);
		node.silence = state;
		for (const action of actions) {
			const sequence = ++node.sequence;
			if (action.type === "beat") {
				for (const to of action.to)
					this.#send(name, to, () => this.#hear(to, name, BigInt(node.agentMs * 1e6 + sequence)));
				continue;
			}
			const silent = action.silent.map((one) => one.node);
			const order = { agentMs: node.agentMs, sequence };
			this.#send(name, control, () =>
				this.#tell({ type: "reported", observer: name, order, silent, nowMs: this.nowMs }),
			);
		}
	}

	#hear(to: string, from: string, sequence: bigint): void {
		const node = this.#node(to);
		if (!node.runs || node.nextTickMs > this.nowMs + defaultSilenceConfig.beatMs) return;
		this.#silence(to, { type: "heard", node: from, boot: this.#node(from).boot, sequence, nowMs: this.nowMs });
	}

	#tell(event: VerdictEvent): void {
		if (this.nowMs < this.#controlStallsUntilMs) this.#held.push(event);
		else this.#judge(event);
	}

	#judge(event: VerdictEvent): void {
		const { state, actions, wakeAfterMs } = stepVerdict(this.#config, this.#verdicts, event);
		this.#verdicts = state;
		this.#wakeAtMs = wakeAfterMs === undefined ? undefined : this.nowMs + wakeAfterMs;
		for (const action of actions) {
			if (action.type !== "ask") {
				this.said.push({ atMs: this.nowMs, action });
				continue;
			}
			this.asked++;
			this.#send(control, action.node, () => this.#answer(action.node));
		}
	}

	#answer(name: string): void {
		const { boot, hasPower, nextTickMs, runs } = this.#node(name);
		if (!hasPower) return;
		const isStalled = nextTickMs > this.nowMs + defaultSilenceConfig.beatMs;
		const byAgent = runs && !isStalled ? { boot } : {};
		this.#send(name, control, () => this.#tell({ type: "answered", node: name, ...byAgent, nowMs: this.nowMs }));
	}

	#send(from: string, to: string, run: () => void): void {
		if (this.isCut(from, to) || this.#random() < this.lossShare) return;
		this.#underWay.push({ atMs: this.nowMs + this.#random() * 8, run });
	}

	#node(name: string): SimulatedNode {
		const node = this.#nodes.get(name);
		if (!node) throw new Error(`no node ${name}`);
		return node;
	}
}

// Nodes that are lost, on one control plane. In: what nodes say of those that they do not hear, this control plane's own questions
// to them, and time. Out: the workloads that went with them, to the control plane at once; verdicts for whoever asks.

import type { SilentNode } from "../../kubernetes/nodes-alive/silence-machine.ts";
import { decodeSilenceReport, longestSilenceReportBytes } from "../../kubernetes/nodes-alive/silence-report.ts";
import { observersOf, stepVerdict } from "../../kubernetes/nodes-alive/verdict-machine.ts";
import {
	defaultVerdictConfig,
	initialVerdicts,
	type VerdictAction,
	type VerdictConfig,
	type VerdictEvent,
} from "../../kubernetes/nodes-alive/verdict-state.ts";
import type { HeartbeatPeer } from "../../kubernetes/nodes-alive/wire/node-heartbeats.ts";
import type { NodeProber } from "../../kubernetes/nodes-alive/wire/node-prober.ts";
import type { ConfigObject } from "../../resources/config-object.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import { objectsOf } from "../../snapshot/object-store.ts";
import type { LostWorkloads } from "../../snapshot/serving-steps.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import type { UnaryCall, UnaryOutcome, UnaryService } from "../../xds/wire/unary-service.ts";
import { type NodeCallerRules, strangerIn } from "./node-caller.ts";

export interface LostNodesParts {
	readonly snapshot: () => Snapshot;
	/** `away`: nodes of which something is out, sorted: those that are lost, and those whose pods are yet to come back. */
	readonly onLost: (lost: LostWorkloads, away: readonly string[]) => void;
	/** Each verdict, for those who tell people of it. */
	readonly onVerdict?: (verdict: Verdict) => void;
	readonly prober: Pick<NodeProber, "ask" | "tellLost" | "keep" | "close">;
	readonly config?: VerdictConfig;
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
}

export type Verdict = Exclude<VerdictAction, { readonly type: "ask" }>;

export interface LostNodesStatus {
	/** Nodes that take part. */
	readonly nodes: number;
	readonly lost: readonly {
		readonly node: string;
		/** Milliseconds since the epoch. */
		readonly sinceMs: number;
		readonly observers: readonly string[];
	}[];
	/** Somebody does not hear them; they answer this control plane, or it is not decided yet. */
	readonly suspected: readonly { readonly node: string; readonly observers: readonly string[] }[];
	/** Would be lost, but most would be at once. */
	readonly held: readonly string[];
}

/** What a node had before its boot stays out until it is described anew, but no longer than this: kubelets tell within seconds. */
const staleForMs = 60_000;
const lookEveryMs = 500;
const invalidArgument = 3;
const permissionDenied = 7;

export class LostNodes {
	readonly #parts: LostNodesParts;
	readonly #config: VerdictConfig;
	readonly #lostGauge;
	readonly #verdicts;
	#state = initialVerdicts;
	#peers: ReadonlyMap<string, HeartbeatPeer> = new Map();
	/** By lost node: its ready pods, as they were described when it was lost. */
	readonly #asLost = new Map<string, readonly ConfigObject<"Pod">[]>();
	/** By node that is back: pods as they were before its boot. */
	readonly #stale = new Map<string, Stale>();
	#cancel: Cancel = () => {};
	#cancelLook: Cancel = () => {};

	constructor(parts: LostNodesParts) {
		this.#parts = parts;
		this.#config = parts.config ?? defaultVerdictConfig;
		const { metrics } = parts;
		this.#lostGauge = metrics.gauge("keepmesh_lost_nodes", "Nodes whose workloads are taken out of balancing.");
		this.#verdicts = metrics.counter("keepmesh_node_verdicts_total", "Verdicts on nodes, by what they were.", [
			"verdict",
		]);
		this.#lostGauge.set(0);
	}

	/** Those that send heartbeats, by name. */
	setNodes(peers: ReadonlyMap<string, HeartbeatPeer>): void {
		this.#peers = peers;
		this.#step({ type: "nodesChanged", nodes: [...peers.keys()], nowMs: this.#nowMs() });
	}

	service(rules: NodeCallerRules): UnaryService {
		return { handle: (call) => this.#handle(call, rules), maxRequestBytes: longestSilenceReportBytes };
	}

	/** Lost, as another control plane has written down. */
	adopt(nodes: readonly string[]): void {
		this.#step({ type: "adopted", nodes, nowMs: this.#nowMs() });
	}

	/** A node answered; `boot` when its agent did. */
	answered(node: string, boot: bigint | undefined): void {
		this.#step({ type: "answered", node, ...(boot === undefined ? {} : { boot }), nowMs: this.#nowMs() });
	}

	status(): LostNodesStatus {
		const { held, lost, nodes, suspects } = this.#state;
		const { clock } = this.#parts;
		const agoMs = (atMs: number): number => Math.round(clock.wallMs() - (clock.monotonicMs() - atMs));
		return {
			nodes: nodes.size,
			lost: [...lost].map(([node, { observers, sinceMs }]) => ({ node, sinceMs: agoMs(sinceMs), observers })),
			suspected: [...suspects.keys()].map((node) => ({ node, observers: observersOf(this.#state, node) })),
			held: [...held].sort(),
		};
	}

	close(): void {
		this.#cancel();
		this.#cancelLook();
		this.#parts.prober.close();
	}

	#handle({ message, peer }: UnaryCall, rules: NodeCallerRules): UnaryOutcome {
		const refused = (grpcStatus: number, because: string): UnaryOutcome => {
			this.#parts.log.warn({ peer: peer.address, because }, "a report of silence was refused");
			return { ok: false, grpcStatus, because };
		};
		const decoded = decodeSilenceReport(message);
		if (!decoded.ok) return refused(invalidArgument, `no report of silence: ${decoded.because}`);
		const { agentMs, node, sequence, silent } = decoded.report;
		const stranger = strangerIn("report of silence", node, peer.uri, rules);
		if (stranger !== undefined) return refused(permissionDenied, stranger);
		this.#reported(node, { agentMs, sequence }, silent);
		return { ok: true, message: new TextEncoder().encode("{}") };
	}

	#reported(observer: string, order: { agentMs: number; sequence: number }, silent: readonly SilentNode[]): void {
		const nodes = silent.map(({ node }) => node);
		this.#step({ type: "reported", observer, order, silent: nodes, nowMs: this.#nowMs() });
	}

	#nowMs(): number {
		return this.#parts.clock.monotonicMs();
	}

	#step(event: VerdictEvent): void {
		const { clock, prober } = this.#parts;
		const { actions, state, wakeAfterMs } = stepVerdict(this.#config, this.#state, event);
		this.#state = state;
		const verdicts: Verdict[] = [];
		for (const action of actions) {
			if (action.type !== "ask") verdicts.push(action);
			else {
				const peer = this.#peers.get(action.node);
				if (peer) prober.ask(action.node, peer);
			}
		}
		this.#cancel();
		if (wakeAfterMs !== undefined)
			this.#cancel = clock.after(wakeAfterMs, () => this.#step({ type: "ticked", nowMs: this.#nowMs() }));
		prober.keep(new Set([...state.suspects.keys(), ...state.lost.keys()]));
		for (const verdict of verdicts) this.#pronounce(verdict);
		if (verdicts.some(({ type }) => type !== "held")) this.#tell();
	}

	#pronounce(verdict: Verdict): void {
		const { log, onVerdict } = this.#parts;
		this.#verdicts.add(1, { verdict: verdict.type });
		switch (verdict.type) {
			case "lost":
				this.#stale.delete(verdict.node);
				this.#asLost.set(verdict.node, this.#readyPodsOn(verdict.node));
				// Some may be connected to a control plane that went with it.
				this.#parts.prober.tellLost(
					verdict.node,
					[...this.#peers].filter(([node]) => !this.#state.lost.has(node)).map(([, peer]) => peer),
				);
				log.warn(
					{ node: verdict.node, observers: verdict.observers, unansweredMs: verdict.silentForMs },
					"node is lost: its workloads are taken out of balancing",
				);
				break;
			case "back":
				if (verdict.rebooted) this.#keepStale(verdict.node);
				this.#asLost.delete(verdict.node);
				log.info({ node: verdict.node, rebooted: verdict.rebooted, afterMs: verdict.afterMs }, "node is back");
				break;
			case "forgotten":
				this.#asLost.delete(verdict.node);
				log.info({ node: verdict.node }, "a lost node is no node of this cluster any more");
				break;
			case "held":
				log.error(
					{ nodes: verdict.nodes },
					"most nodes would be lost at once: held, as the network of heartbeats is more likely broken",
				);
				break;
			default:
				verdict satisfies never;
		}
		onVerdict?.(verdict);
	}

	#keepStale(node: string): void {
		const now = new Set(this.#readyPodsOn(node));
		const pods = (this.#asLost.get(node) ?? []).filter((pod) => now.has(pod));
		if (pods.length === 0) return;
		this.#stale.set(node, { pods, untilMs: this.#nowMs() + staleForMs });
		this.#cancelLook();
		this.#cancelLook = this.#parts.clock.after(lookEveryMs, () => this.#look());
	}

	/** Pods that were described anew need nothing of this any more. */
	#look(): void {
		const now = new Set(this.#pods());
		let isOther = false;
		for (const [node, { pods, untilMs }] of this.#stale) {
			const left = untilMs > this.#nowMs() ? pods.filter((pod) => now.has(pod)) : [];
			isOther ||= left.length < pods.length;
			if (left.length === 0) this.#stale.delete(node);
			else this.#stale.set(node, { pods: left, untilMs });
		}
		if (isOther) this.#tell();
		if (this.#stale.size > 0) this.#cancelLook = this.#parts.clock.after(lookEveryMs, () => this.#look());
	}

	#readyPodsOn(node: string): readonly ConfigObject<"Pod">[] {
		return this.#pods().filter((pod) => pod.spec.nodeName === node && isReady(pod));
	}

	#pods(): readonly ConfigObject<"Pod">[] {
		return [...objectsOf(this.#parts.snapshot().objects, "Pod").values()];
	}

	#tell(): void {
		const nodes = new Set(this.#state.lost.keys());
		this.#lostGauge.set(nodes.size);
		const pods = new Set([...this.#stale.values()].flatMap((stale) => stale.pods));
		const away = [...new Set([...nodes, ...this.#stale.keys()])].sort();
		this.#parts.onLost({ nodes, pods }, away);
	}
}

interface Stale {
	readonly pods: readonly ConfigObject<"Pod">[];
	readonly untilMs: number;
}

function isReady({ spec }: ConfigObject<"Pod">): boolean {
	return spec.status?.conditions?.some(({ status, type }) => type === "Ready" && status === "True") ?? false;
}

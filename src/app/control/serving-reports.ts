// What nodes report of their pods' serving steps, on one control plane. In: reports over the xDS port, and time. Out: the
// workloads that no proxy serves, to the control plane at once; steps, request counts and switches for whoever asks.

import {
	emptyServingBoard,
	type NodeServing,
	nextExpiryMs,
	podReportOf,
	type ReportedPod,
	type ServingBoard,
	withoutSilent,
	withReport,
} from "../../hotswitch/serving-board.ts";
import type { PodReport } from "../../hotswitch/serving-report.ts";
import { decodeServingReport, encodeServingAnswer, longestReportBytes } from "../../hotswitch/serving-report-codec.ts";
import { servingSteps } from "../../hotswitch/serving-step.ts";
import type { SwitchRecord } from "../../hotswitch/switch-record.ts";
import type { SpiffeId } from "../../identity/spiffe-id.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { UnproxiedWorkload } from "../../snapshot/serving-steps.ts";
import type { UnaryCall, UnaryOutcome, UnaryService } from "../../xds/wire/unary-service.ts";
import { type NodeCallerRules, strangerIn } from "./node-caller.ts";
import { noServingStore, type ServingStore } from "./serving-store.ts";

export interface ServingReportsParts {
	/** Of this process: nodes tell it everything again when it is another. */
	readonly instance: string;
	/** Default: nothing is kept for the next process. */
	readonly store?: ServingStore;
	readonly onUnproxied: (unproxied: readonly UnproxiedWorkload[]) => void;
	/** What a node just said of pods that it may speak for. */
	readonly onReport?: (pods: readonly PodReport[]) => void;
	readonly clock: Clock;
	readonly log: Log;
	readonly metrics: Metrics;
}

export interface ReportRules extends NodeCallerRules {
	/** A resource places the workload on the node, or the node's registration allows it. */
	readonly mayCertify: (node: string, workload: SpiffeId) => boolean;
	readonly isGranted: (node: string, workload: SpiffeId) => boolean;
}

/** Where nobody proves anything, nobody is registered either. */
export const nobodysRules = { isRegistered: () => false, mayCertify: () => false, isGranted: () => false } as const;

const keptEvents = 2_000;
const invalidArgument = 3;
const permissionDenied = 7;

export class ServingReports {
	readonly #parts: ServingReportsParts;
	readonly #counted;
	readonly #pods;
	readonly #store: ServingStore;
	#board: ServingBoard = emptyServingBoard;
	readonly #events = new Map<string, SwitchRecord>();
	/** What follows from each report, worked out once: there may be hundreds of nodes. */
	readonly #derived = new WeakMap<NodeServing, Derived>();
	#told = "[]";
	#cancel: Cancel = () => {};

	constructor(parts: ServingReportsParts) {
		this.#parts = parts;
		this.#store = parts.store ?? noServingStore;
		const { metrics } = parts;
		this.#counted = metrics.counter(
			"keepmesh_serving_reports_received_total",
			"Reports of nodes, by what became of them.",
			["outcome"],
		);
		this.#pods = metrics.gauge(
			"keepmesh_serving_pods",
			"Pods by the way that their new connections go, as nodes report it.",
			["step"],
		);
	}

	/** What the process before had heard, until the nodes speak: a restart changes nothing for callers. */
	open(isGranted: (node: string, workload: Pick<SpiffeId, "namespace" | "serviceAccount">) => boolean): void {
		const nowMs = this.#parts.clock.monotonicMs();
		const nodes = this.#store.load(this.#parts.clock.wallMs());
		this.#board = new Map(nodes.map((one) => [one.node, { ...one, sequence: 0, heardAtMs: nowMs }]));
		for (const one of this.#board.values())
			this.#derived.set(
				one,
				derivedFrom(one, (pod) => isGranted(one.node, pod)),
			);
		this.#settle();
	}

	service(rules: ReportRules): UnaryService {
		return { handle: (call) => this.#handle(call, rules), maxRequestBytes: longestReportBytes };
	}

	/** What the proxy's node said last; undefined when no node speaks of it. `heardAtMs` is monotonic. */
	of(proxyId: string): ReportedPod | undefined {
		return podReportOf(this.#board, proxyId);
	}

	all(): readonly ReportedPod[] {
		return [...this.#board.values()].flatMap(({ heardAtMs, node, pods }) =>
			pods.map((pod) => ({ ...pod, node, heardAtMs })),
		);
	}

	/** The newest ones that nodes told, oldest first. */
	events(): readonly SwitchRecord[] {
		return [...this.#events.values()].sort((a, b) => a.atMs - b.atMs);
	}

	close(): void {
		this.#cancel();
	}

	#handle({ message, peer }: UnaryCall, rules: ReportRules): UnaryOutcome {
		const refused = (grpcStatus: number, because: string): UnaryOutcome => {
			this.#counted.add(1, { outcome: "refused" });
			this.#parts.log.warn({ peer: peer.address, because }, "a node's report was refused");
			return { ok: false, grpcStatus, because };
		};
		const decoded = decodeServingReport(message);
		if (!decoded.ok) return refused(invalidArgument, `no serving report: ${decoded.because}`);
		const { report } = decoded;
		const { node } = report;
		const stranger = strangerIn("report", node, peer.uri, rules);
		if (stranger !== undefined) return refused(permissionDenied, stranger);
		const board = withReport(this.#board, report, this.#parts.clock.monotonicMs());
		this.#counted.add(1, { outcome: board === this.#board ? "overtaken" : "taken" });
		const mayNot = refusedOf(report, rules);
		const taken = board.get(node);
		if (board !== this.#board && taken) {
			this.#board = board;
			const { nothingIsProved = false, trustDomain } = rules;
			const isGranted = (one: PodReport): boolean => nothingIsProved || rules.isGranted(node, { ...one, trustDomain });
			this.#derived.set(taken, derivedFrom(taken, isGranted));
			this.#settle();
			const refusedIds = new Set(mayNot.map(({ proxyId }) => proxyId));
			this.#parts.onReport?.(report.pods.filter(({ proxyId }) => !refusedIds.has(proxyId)));
		}
		for (const event of report.events) if (event.node === node) this.#remember(event);
		return {
			ok: true,
			message: encodeServingAnswer({ instance: this.#parts.instance, refused: mayNot }),
		};
	}

	#remember(event: SwitchRecord): void {
		if (this.#events.has(event.id)) return;
		this.#events.set(event.id, event);
		const [oldest] = this.#events.keys();
		if (this.#events.size > keptEvents && oldest !== undefined) this.#events.delete(oldest);
	}

	/** Tells what follows from the board, if it is something else than before, and wakes up when a node falls silent. */
	#settle(): void {
		const { clock, log, onUnproxied } = this.#parts;
		const heard = withoutSilent(this.#board, clock.monotonicMs());
		for (const node of this.#board.keys())
			if (!heard.has(node)) log.warn({ node }, "the node does not report any more: nothing is known of its pods");
		this.#board = heard;
		const unproxied = this.#unproxied();
		const told = JSON.stringify(unproxied);
		if (told !== this.#told) {
			this.#told = told;
			onUnproxied(unproxied);
			this.#store.save([...heard.values()].flatMap(withUnproxiedPods), clock.wallMs());
		}
		this.#count();
		this.#cancel();
		const expiryMs = nextExpiryMs(heard);
		if (expiryMs !== undefined)
			this.#cancel = clock.after(Math.max(1, expiryMs - clock.monotonicMs()), () => this.#settle());
	}

	#unproxied(): readonly UnproxiedWorkload[] {
		return [...this.#board.values()]
			.flatMap((one) => this.#derived.get(one)?.unproxied ?? [])
			.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
	}

	#count(): void {
		const counts = [...this.#board.values()].flatMap((one) => this.#derived.get(one)?.counts ?? []);
		for (const [index, step] of servingSteps.entries())
			this.#pods.set(
				counts.reduce((sum, ofNode) => sum + (ofNode[index] ?? 0), 0),
				{ step },
			);
	}
}

interface Derived {
	readonly unproxied: readonly UnproxiedWorkload[];
	/** In the order of `servingSteps`; in a list of its own. */
	readonly counts: readonly [readonly number[]];
}

function derivedFrom({ node, pods }: NodeServing, isGranted: (pod: PodReport) => boolean): Derived {
	const unproxied = pods.flatMap((pod): readonly UnproxiedWorkload[] => {
		const { name, namespace, serviceAccount } = pod;
		const step = pod.serving?.step;
		if (step !== "direct" && step !== "closed") return [];
		return [{ namespace, name, serviceAccount, node, step, isGranted: isGranted(pod) }];
	});
	return { unproxied, counts: [servingSteps.map((step) => pods.filter((pod) => pod.serving?.step === step).length)] };
}

/** What the next process must know of the node. */
function withUnproxiedPods(node: NodeServing): readonly NodeServing[] {
	const pods = node.pods.filter(({ serving }) => serving?.step === "direct" || serving?.step === "closed");
	return pods.length === 0 ? [] : [{ ...node, pods }];
}

function refusedOf({ node, pods }: { node: string; pods: readonly PodReport[] }, rules: ReportRules) {
	if (rules.nothingIsProved) return [];
	const { trustDomain } = rules;
	const answers = new Map<string, boolean>();
	const mayCertify = ({ namespace, serviceAccount }: PodReport): boolean => {
		const key = `${namespace} ${serviceAccount}`;
		const answer = answers.get(key) ?? rules.mayCertify(node, { trustDomain, namespace, serviceAccount });
		answers.set(key, answer);
		return answer;
	};
	return pods
		.filter((pod) => !mayCertify(pod))
		.map(({ proxyId, namespace, serviceAccount }) => ({
			proxyId,
			because: `no resource known here places a workload of ${serviceAccount} in ${namespace} on node ${node}`,
		}));
}

const keyOf = ({ namespace, name, node }: UnproxiedWorkload): string => `${namespace}/${name}/${node}`;

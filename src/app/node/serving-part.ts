// The node's word on its pods, put together: what their connections do, how their requests end, and who switched what when. In:
// supervisors as they are, switches as they happen. Out: reports to every control plane, kept switches, metrics.

import type { PodReport, PodServing } from "../../hotswitch/serving-report.ts";
import type { ControlSecurity } from "../../node/identity/control-caller.ts";
import type { HostPort } from "../../node/identity/control-trust.ts";
import { isLeaving } from "../../node/node-agent.ts";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import type { SwitchChange } from "../../node/pod-hot-switch.ts";
import type { PodSupervisor } from "../../node/pod-supervisor.ts";
import { controlChannel } from "../../node/serving/replica-reports.ts";
import { askCounts, type ProxyCounts } from "../../node/serving/request-counts.ts";
import { servingMetrics } from "../../node/serving/serving-metrics.ts";
import { ServingReporter } from "../../node/serving/serving-reporter.ts";
import { SwitchLog } from "../../node/serving/switch-log.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { NodePart } from "./node-part.ts";

export interface ServingPartOptions {
	readonly node: string;
	/** Where the switches are kept. */
	readonly file: string;
	readonly upstreams: () => readonly HostPort[];
	/** Undefined while the node has not joined the mesh. */
	readonly security: () => ControlSecurity | undefined;
	readonly supervisors: () => readonly PodSupervisor[];
	readonly proxyIdOf: (pod: PodSpec) => string;
}

export interface ServingPart extends NodePart {
	readonly switches: SwitchLog;
	/** Once the pods of an earlier agent are known. */
	open(): void;
	switched(pod: PodSpec, change: SwitchChange): void;
}

const countEveryMs = 2_000;
/** After a change, so that its author soon sees what it does to requests. */
const countAfterChangeMs = 500;
/** Sentences travel and are kept; Envoy's own can be long. */
const maxText = 500;

export function servingPart(
	options: ServingPartOptions,
	deps: { readonly clock: Clock; readonly log: Log },
): ServingPart {
	const { clock, log } = deps;
	const { node, proxyIdOf, supervisors } = options;
	const agentMs = clock.wallMs();
	const switches = new SwitchLog({ file: options.file, node, agentMs }, log);
	const counts = new Map<PodSupervisor, ProxyCounts>();
	const pods = (): readonly PodReport[] => {
		const byProxy = new Map<string, PodReport>();
		// One that leaves may have a successor of the same name.
		const inOrder = supervisors().toSorted((a, b) => Number(isLeaving(b.state)) - Number(isLeaving(a.state)));
		for (const supervisor of inOrder) {
			const proxyId = proxyIdOf(supervisor.pod);
			byProxy.set(proxyId, { ...reportOf(supervisor, proxyId), ...counts.get(supervisor) });
		}
		return [...byProxy.values()];
	};
	const reporter = new ServingReporter({
		node,
		agentMs,
		upstreams: options.upstreams,
		channel: (upstream) => controlChannel(upstream, options.security, clock),
		pods,
		switches,
		clock,
		log,
		random: Math.random,
	});
	let cancel: Cancel = () => {};
	let dueMs = Number.POSITIVE_INFINITY;
	let isClosed = false;
	const countIn = (ms: number): void => {
		if (isClosed || clock.monotonicMs() + ms >= dueMs) return;
		cancel();
		dueMs = clock.monotonicMs() + ms;
		cancel = clock.after(ms, () => void count());
	};
	const count = async (): Promise<void> => {
		const all = supervisors();
		for (const known of counts.keys()) if (!all.includes(known)) counts.delete(known);
		let isNews = false;
		for (const supervisor of all) {
			const now = await askCounts(supervisor.admin, supervisor.pod.proxy, () => clock.wallMs());
			if (isClosed) return;
			isNews ||= now !== undefined && totalOf(now) !== totalOf(counts.get(supervisor));
			if (now) counts.set(supervisor, now);
			else counts.delete(supervisor);
		}
		if (isNews) reporter.reportNow();
		dueMs = Number.POSITIVE_INFINITY;
		countIn(countEveryMs);
	};
	return {
		switches,
		open: () => {
			reporter.open();
			void count();
		},
		switched: ({ name, namespace }, { because, by, cause, from, to }) => {
			switches.add({
				atMs: Math.round(clock.wallMs()),
				namespace,
				pod: name,
				from,
				to,
				cause,
				because: because.slice(0, maxText),
				by: by.slice(0, maxText),
			});
			reporter.reportNow();
		},
		accepted: () => countIn(countAfterChangeMs),
		metrics: () => servingMetrics(reporter.status()),
		close: () => {
			isClosed = true;
			cancel();
			reporter.close();
		},
	};
}

const totalOf = (counts: ProxyCounts | undefined): number =>
	counts === undefined ? 0 : counts.requests.total + (counts.calls?.total ?? 0);

function reportOf(supervisor: PodSupervisor, proxyId: string): PodReport {
	const { pod, state } = supervisor;
	const { name, namespace, serviceAccount } = pod;
	const serving = servingOf(supervisor);
	return { proxyId, namespace, name, serviceAccount, ready: state.phase === "ready", ...(serving && { serving }) };
}

function servingOf({ hotSwitch, state }: PodSupervisor): PodServing | undefined {
	if (!hotSwitch) return undefined;
	// Before its last connections end, nobody begins new ones.
	if (isLeaving(state))
		return { step: "closed", sinceMs: hotSwitch.sinceMs, cause: "leaving", because: "the pod is being removed" };
	const { because, bypass, cause, servingStep } = hotSwitch.state;
	const untilMs = hotSwitch.bypassUntilMs;
	return {
		step: servingStep,
		sinceMs: hotSwitch.sinceMs,
		cause,
		because: because.slice(0, maxText),
		...(bypass && {
			bypass: {
				by: bypass.by.slice(0, maxText),
				why: bypass.why.slice(0, maxText),
				...(untilMs === undefined ? {} : { untilMs }),
			},
		}),
	};
}

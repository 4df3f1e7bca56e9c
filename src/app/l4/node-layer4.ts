// Layer 4 of one machine put together: the kernel's tables, the balancer, the machine's own addresses, health-check ports and
// metrics. In: settings, then Services and other balancers as they change. Out: rules, and what there is to say of them.

import { release } from "node:os";
import { openConntrackTable } from "../../kernel/linux/conntrack/conntrack-table.ts";
import { EventLoop } from "../../kernel/linux/event-loop.ts";
import { openLinuxHostNetwork } from "../../kernel/linux/linux-host-network.ts";
import { openNftablesTables } from "../../kernel/linux/nftables/linux-nftables-tables.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import { type KubeProxySettings, nodeFactsOf } from "../../l4/services/kube-proxy-settings.ts";
import { HealthCheckPorts } from "../../node/layer4/health-check-ports.ts";
import { layer4Metrics } from "../../node/layer4/layer4-metrics.ts";
import type { Layer4Status, RulesProblem } from "../../node/layer4/layer4-status.ts";
import { type MachineNames, machineFacts } from "../../node/layer4/machine-facts.ts";
import { MachineSettings } from "../../node/layer4/machine-settings.ts";
import { otherServiceProxy } from "../../node/layer4/other-service-proxy.ts";
import { ownedRecord, serviceRecord } from "../../node/layer4/owned-record.ts";
import { type ProxyHealthServer, startProxyHealthServer } from "../../node/layer4/proxy-health-server.ts";
import { ServiceBalancer } from "../../node/layer4/service-balancer.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { createMetrics } from "../../runtime/metrics.ts";
import { lockNamespace } from "../namespace-lock.ts";
import { openServiceIpvs } from "./open-service-ipvs.ts";

/** One process balances Services in each network namespace: two would take each other's rules away. */
const lockName = "\0keepmesh-services";
const heldBy = lockName.replace("\0", "@");
/** A process that is just ending may still have it. */
const lockWaitMs = 2000;

export interface NodeLayer4Options {
	readonly machine: MachineNames;
	readonly settings: KubeProxySettings;
	/** Where a record of what is ours in IPVS is kept. */
	readonly state: string;
	/** Answers /healthz, /livez and /metrics where the settings say. */
	readonly answersForItself: boolean;
	/** Nothing is done where another service proxy has rules. */
	readonly yieldsToOthers: boolean;
	/** Load balancers may send this node connections. Default true. */
	readonly isEligible?: () => boolean;
	/** What more stands in the way of the Services being what they should be. */
	readonly otherProblems?: () => readonly RulesProblem[];
}

export interface NodeLayer4 {
	/** It became known what the machine is to its cluster. */
	setMachine(machine: MachineNames): void;
	/** Undefined: the Service is gone. */
	update(changed: ReadonlyMap<string, Layer4Service | undefined>): void;
	status(): Layer4Status;
	/** Prometheus' text. */
	metrics(): Promise<string>;
	/** Rules stay unless told. */
	close(options?: { readonly keepRules: boolean }): void;
}

export type OpenedLayer4 =
	| { readonly ok: true; readonly value: NodeLayer4 }
	| {
			readonly ok: false;
			readonly because: string;
			/** The socket of the process that stands in the way, where it is one of ours; an abstract one begins with @. */
			readonly heldBy?: string;
	  };

export async function openNodeLayer4(
	options: NodeLayer4Options,
	{ clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<OpenedLayer4> {
	const { settings } = options;
	let { machine } = options;
	const lock = await lockNamespace(lockWaitMs, lockName);
	if (!lock) return { ok: false, because: "another process balances Services in this network namespace", heldBy };
	const opened = openNftablesTables();
	if (!opened.ok) {
		lock.close();
		return { ok: false, because: opened.message };
	}
	const tables = opened.value;
	const other = options.yieldsToOthers ? otherServiceProxy(tables) : undefined;
	if (other !== undefined) {
		tables.close();
		lock.close();
		return { ok: false, because: `${other} has rules for Services on this machine` };
	}
	const conntrack = openConntrackTable();
	if (!conntrack.ok)
		log.warn({ because: conntrack.message }, "layer 4: flows to endpoints that leave end by their time-out only");
	const loop = new EventLoop((error) => log.error({ because: String(error) }, "layer 4: a watch failed"));
	const network = openLinuxHostNetwork({ loop });
	const registry = createMetrics();
	const metrics = layer4Metrics(
		registry,
		() => clock.wallMs(),
		() => balancer.node.families,
	);
	const factsNow = () => nodeFactsOf(settings, machineFacts(machine, network));
	const ownProblems: RulesProblem[] = [];
	const balancer: ServiceBalancer = new ServiceBalancer(factsNow(), {
		tables,
		...(conntrack.ok ? { conntrack: conntrack.value } : {}),
		metrics,
		clock,
		log,
		backend: settings.backend,
		syncPeriodMs: settings.syncPeriodMs,
		chainsLinger: isBefore(release(), 6, 2),
		openIpvs: (facts) =>
			openServiceIpvs(facts, {
				settings: settings.ipvs,
				syncPeriodMs: settings.syncPeriodMs,
				tables,
				record: ownedRecord(options.state, serviceRecord),
				machine: new MachineSettings(options.state),
				clock,
				log,
				onProblem: (problem) => ownProblems.push(problem),
			}),
		onChanged: (changed) => healthChecks.update(changed, balancer.node),
	});
	const healthChecks = new HealthCheckPorts({ isHealthy: () => balancer.isInForce, clock });
	const unwatch = network.watch(({ type }) => {
		if (type === "addressAdded" || type === "addressRemoved" || type === "eventsLost") balancer.setNode(factsNow());
	});
	const metricsText = (): Promise<string> => {
		metrics.observe(balancer.services().values(), balancer.node);
		return registry.render();
	};
	const own = options.answersForItself ? answerForItself() : [];

	function answerForItself(): readonly ProxyHealthServer[] {
		const { health, metrics: scraped } = settings;
		const deps = {
			health: () => ({
				isHealthy: balancer.isInForce,
				isEligible: options.isEligible?.() ?? true,
				lastUpdatedMs: balancer.lastAppliedMs ?? 0,
			}),
			metrics: metricsText,
			wallMs: () => clock.wallMs(),
			onAnswered: metrics.healthAnswered,
		};
		return [health, scraped].map((listen) =>
			startProxyHealthServer(listen, {
				...deps,
				onProblem: (because) => {
					ownProblems.push({ about: `${listen.address}:${listen.port}`, because });
					log.error({ listen, because }, "layer 4: cannot answer for itself");
				},
			}),
		);
	}

	return {
		ok: true,
		value: {
			setMachine: (known) => {
				machine = known;
				balancer.setNode(factsNow());
			},
			update: (changed) => balancer.update(changed),
			status: () => {
				const status = balancer.status();
				const problems = [...status.problems, ...healthChecks.problems(), ...ownProblems];
				return { ...status, problems: [...problems, ...(options.otherProblems?.() ?? [])] };
			},
			metrics: metricsText,
			close: (closing = { keepRules: true }) => {
				unwatch();
				for (const server of own) server.close();
				healthChecks.close();
				balancer.close(closing);
				network.close();
				loop.close();
				if (conntrack.ok) conntrack.value.close();
				tables.close();
				lock.close();
			},
		},
	};
}

/** `6.1.0-18-amd64` is before 6.2. */
function isBefore(text: string, major: number, minor: number): boolean {
	const [first = 0, second = 0] = text.split(/[.-]/).map(Number);
	return first < major || (first === major && second < minor);
}

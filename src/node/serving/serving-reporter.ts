// Tells every control plane what its pods' connections do. In: pods as they are, looked at often, and nudges when one was
// switched. Out: reports to each control plane of the list, which may change.

import type { PodReport, ServingReport } from "../../hotswitch/serving-report.ts";
import type { SwitchRecord } from "../../hotswitch/switch-record.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { HostPort } from "../identity/control-trust.ts";
import { ReplicaReports, type ReplicaReportsDeps, type ReplicaReportsStatus } from "./replica-reports.ts";
import type { SwitchLog } from "./switch-log.ts";

export interface ServingReporterDeps {
	readonly node: string;
	/** When this agent began, in milliseconds since the epoch. */
	readonly agentMs: number;
	/** All control planes of this moment. */
	readonly upstreams: () => readonly HostPort[];
	readonly channel: (upstream: HostPort) => ReplicaReportsDeps["channel"];
	readonly pods: () => readonly PodReport[];
	readonly switches: SwitchLog;
	readonly clock: Clock;
	readonly log: Log;
	readonly random: () => number;
}

/** What no switch tells of, such as a proxy without hot-switch that is not ready any more, is seen this often. */
const lookEveryMs = 100;

export class ServingReporter {
	readonly #deps: ServingReporterDeps;
	readonly #replicas = new Map<string, ReplicaReports>();
	#sequence = 0;
	#seen = "";
	#cancel: Cancel = () => {};

	constructor(deps: ServingReporterDeps) {
		this.#deps = deps;
	}

	/** Once the pods of an earlier agent are known: a report that lacked them would say that nothing is known of them. */
	open(): void {
		this.#look();
	}

	/** A pod was switched. */
	reportNow(): void {
		this.#seen = signatureOf(this.#deps.pods());
		for (const replica of this.#replicas.values()) replica.reportNow();
	}

	status(): readonly ReplicaReportsStatus[] {
		return [...this.#replicas.values()].map((replica) => replica.status());
	}

	close(): void {
		this.#cancel();
		for (const replica of this.#replicas.values()) replica.close();
		this.#replicas.clear();
	}

	#look(): void {
		if (signatureOf(this.#deps.pods()) !== this.#seen) this.reportNow();
		this.#followUpstreams();
		this.#cancel = this.#deps.clock.after(lookEveryMs, () => this.#look());
	}

	#followUpstreams(): void {
		const { clock, log, random, switches } = this.#deps;
		const wanted = new Map(this.#deps.upstreams().map((one) => [`${one.host}:${one.port}`, one]));
		for (const [control, replica] of this.#replicas) {
			if (wanted.has(control)) continue;
			replica.close();
			this.#replicas.delete(control);
		}
		for (const [control, upstream] of wanted) {
			if (this.#replicas.has(control)) continue;
			const replica = new ReplicaReports({
				control,
				channel: this.#deps.channel(upstream),
				compose: (events) => this.#compose(events),
				switches,
				clock,
				log,
				random,
			});
			this.#replicas.set(control, replica);
			replica.reportNow();
		}
	}

	#compose(events: readonly SwitchRecord[]): ServingReport {
		const { agentMs, node, pods } = this.#deps;
		return { node, agentMs, sequence: ++this.#sequence, pods: pods(), events };
	}
}

/** What is worth a report of its own: everything but the counts. */
function signatureOf(pods: readonly PodReport[]): string {
	let text = "";
	for (const { proxyId, ready, serving } of pods)
		text += `${proxyId} ${ready} ${serving?.step} ${serving?.because} ${serving?.bypass?.by} ${serving?.bypass?.why}\n`;
	return text;
}

// What the control plane counts, under the names that Istio's dashboards read (pilot_*). The xDS server counts in its own
// words; `withPilotNames` says the same again in Istio's.

import type { CounterMetric, GaugeMetric, HistogramMetric, Labels, Metrics } from "../runtime/metrics.ts";
import { type Change, kindOfChange } from "../snapshot/change.ts";

const pushSecondsBuckets = [0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 3, 5, 10, 20, 30] as const;

export interface ControlMetrics {
	readonly services: GaugeMetric;
	readonly virtualServices: GaugeMetric;
	readonly resources: GaugeMetric;
	readonly problems: GaugeMetric;
	readonly connected: GaugeMetric;
	readonly withheld: GaugeMetric;
	readonly quarantined: GaugeMetric;
	readonly heldRemovals: GaugeMetric;
	readonly configEvents: CounterMetric;
	readonly pushTriggers: CounterMetric;
	readonly pushTime: HistogramMetric;
	readonly internalErrors: CounterMetric;
	readonly conflictingHosts: GaugeMetric;
	readonly validationPassed: CounterMetric;
	readonly validationFailed: CounterMetric;
}

export function controlMetrics(metrics: Metrics): ControlMetrics {
	return {
		services: metrics.gauge("pilot_services", "Services known to the control plane."),
		virtualServices: metrics.gauge("pilot_virt_services", "VirtualServices known to the control plane."),
		resources: metrics.gauge("keepmesh_resources", "Resources in force, by kind.", ["kind"]),
		problems: metrics.gauge("keepmesh_resource_problems", "Problems of resources, by severity.", ["severity"]),
		connected: metrics.gauge("pilot_xds", "Proxies connected to this control plane."),
		withheld: metrics.gauge("keepmesh_withheld_proxies", "Proxies whose newest configuration is not sent.", [
			"because",
		]),
		quarantined: metrics.gauge(
			"keepmesh_quarantined_resources",
			"Resources that proxies refused; their last good version is in force.",
		),
		heldRemovals: metrics.gauge(
			"keepmesh_held_endpoint_removals",
			"Pods, slices and workload entries that are gone at the source, and stay in force for now: most went at once.",
		),
		configEvents: metrics.counter("pilot_k8s_cfg_events", "Changes of resources.", ["type", "event"]),
		pushTriggers: metrics.counter("pilot_push_triggers", "Publications, by what caused them.", ["type"]),
		pushTime: metrics.histogram(
			"pilot_xds_push_time",
			"Seconds that generating and handing out a publication took.",
			pushSecondsBuckets,
			["type"],
		),
		internalErrors: metrics.counter("pilot_total_xds_internal_errors", "Configurations that could not be generated."),
		conflictingHosts: metrics.gauge(
			"pilot_conflict_mesh_hosts",
			"Resources that lost a host or a port to an older one.",
		),
		validationPassed: metrics.counter("galley_validation_passed", "Resources that passed validation.", ["resource"]),
		validationFailed: metrics.counter("galley_validation_failed", "Resources that failed validation.", ["resource"]),
	};
}

export function countChanges(metrics: ControlMetrics, changes: readonly Change[]): void {
	for (const change of changes) {
		const event = change.type === "objectApplied" ? "update" : "delete";
		metrics.configEvents.add(1, { type: kindOfChange(change), event });
	}
}

const pilotTypes: Readonly<Record<string, string>> = {
	Cluster: "cds",
	ClusterLoadAssignment: "eds",
	Listener: "lds",
	RouteConfiguration: "rds",
	Secret: "sds",
	NameTable: "nds",
};

/** The same metrics, and beside them Istio's for what the xDS server counts. */
export function withPilotNames(metrics: Metrics): Metrics {
	const pushes = metrics.counter("pilot_xds_pushes", "xDS responses, by type.", ["type"]);
	const sizes = metrics.histogram(
		"pilot_xds_config_size_bytes",
		"Bytes of an xDS response.",
		[1, 10_000, 1_000_000, 4_000_000, 10_000_000, 40_000_000],
		["type"],
	);
	const rejects = metrics.counter("pilot_total_xds_rejects", "xDS responses that proxies refused.", ["type"]);
	const convergence = metrics.histogram(
		"pilot_proxy_convergence_time",
		"Seconds from a change of a proxy's configuration to its ACK.",
		pushSecondsBuckets,
	);
	const pilotType = (labels: Labels | undefined): Labels => ({ type: pilotTypes[labels?.type ?? ""] ?? "other" });
	return {
		gauge: (...args) => metrics.gauge(...args),
		counter: (name, ...rest) => {
			const counter = metrics.counter(name, ...rest);
			if (name === "keepmesh_xds_rejects_total") {
				return alsoCount(counter, (_amount, labels) => rejects.add(1, pilotType(labels)));
			}
			if (name !== "keepmesh_xds_sent_bytes_total") return counter;
			return alsoCount(counter, (bytes, labels) => {
				pushes.add(1, pilotType(labels));
				sizes.observe(bytes, pilotType(labels));
			});
		},
		histogram: (name, ...rest) => {
			const histogram = metrics.histogram(name, ...rest);
			if (name !== "keepmesh_xds_convergence_seconds") return histogram;
			return {
				observe: (seconds, labels) => {
					histogram.observe(seconds, labels);
					convergence.observe(seconds);
				},
			};
		},
	};
}

function alsoCount(counter: CounterMetric, also: (amount: number, labels: Labels | undefined) => void): CounterMetric {
	return {
		add: (amount = 1, labels) => {
			counter.add(amount, labels);
			also(amount, labels);
		},
	};
}

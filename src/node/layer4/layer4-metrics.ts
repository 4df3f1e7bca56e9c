// What layer 4 counts, under the names that kube-proxy's dashboards read, and a few of its own. Prometheus' text.

import type { IpFamily } from "../../l4/balancer.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import { familyOf } from "../../l4/services/canonical-address.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { AppliedRules } from "./layer4-status.ts";

export interface Synced {
	readonly tookMs: number;
	/** From the first change that waited to rules in force; absent when nothing waited or nothing could be applied. */
	readonly sinceChangeMs?: number;
}

export interface Layer4Metrics {
	/** One transaction was tried. */
	applied(applied: AppliedRules): void;
	/** A round from Services to rules is over. */
	synced(synced: Synced): void;
	/** What there is now; before the metrics are read. */
	observe(services: Iterable<Layer4Service>, node: NodeFacts): void;
	/** Changes came in. */
	changed(services: number): void;
	/** One request at a health-check node port or at /healthz, /livez. */
	healthAnswered(which: "healthz" | "livez", status: number): void;
}

const syncBuckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30] as const;
/** kube-proxy's names. One transaction carries all families of the node: it counts for each. */
const familyNames: Readonly<Record<IpFamily, string>> = { ipv4: "IPv4", ipv6: "IPv6" };

export function layer4Metrics(
	metrics: Metrics,
	wallMs: () => number,
	familiesOfNode: () => readonly IpFamily[],
): Layer4Metrics {
	const forEachFamily = (then: (labels: { readonly ip_family: string }) => void): void => {
		for (const one of familiesOfNode()) then({ ip_family: familyNames[one] });
	};
	const seconds = (): number => wallMs() / 1000;
	const histogram = (name: string, help: string, labels: readonly string[] = []) =>
		metrics.histogram(name, help, syncBuckets, labels);
	const sync = histogram("kubeproxy_sync_proxy_rules_duration_seconds", "From changed Services to rules.", [
		"ip_family",
	]);
	const full = histogram("kubeproxy_sync_full_proxy_rules_duration_seconds", "Building all rules anew.", ["ip_family"]);
	const partial = histogram("kubeproxy_sync_partial_proxy_rules_duration_seconds", "Writing what changed.", [
		"ip_family",
	]);
	const programming = histogram(
		"kubeproxy_network_programming_duration_seconds",
		"From the arrival of a change on this node to rules in force.",
	);
	const queued = metrics.gauge(
		"kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds",
		"When a change came in last.",
	);
	const last = metrics.gauge("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "When rules were in force last.", [
		"ip_family",
	]);
	const failures = metrics.counter(
		"kubeproxy_sync_proxy_rules_nftables_sync_failures_total",
		"Transactions that the kernel refused.",
		["ip_family"],
	);
	const endpointChanges = metrics.counter(
		"kubeproxy_sync_proxy_rules_endpoint_changes_total",
		"Services that came in changed, with their endpoints.",
	);
	const noLocal = metrics.gauge(
		"kubeproxy_sync_proxy_rules_no_local_endpoints_total",
		"Services whose traffic policy is Local and that have no endpoint here.",
		["traffic_policy", "ip_family"],
	);
	const healthz = metrics.counter("kubeproxy_proxy_healthz_total", "Answers of /healthz.", ["code"]);
	const livez = metrics.counter("kubeproxy_proxy_livez_total", "Answers of /livez.", ["code"]);
	const foreign = metrics.counter(
		"keepmesh_l4_foreign_changes_total",
		"Times that somebody else changed the rules and they were built anew.",
	);
	const services = metrics.gauge("keepmesh_l4_services", "Services with rules on this node.");
	const endpoints = metrics.gauge("keepmesh_l4_endpoints", "Endpoints of those Services, counted for each port.");
	return {
		applied: (applied) => {
			if (!applied.ok) {
				forEachFamily((family) => failures.add(1, family));
				return;
			}
			const { atMs, reason, tookMs } = applied;
			forEachFamily((family) => (reason === "change" ? partial : full).observe(tookMs / 1000, family));
			if (reason === "foreignChange") foreign.add();
			forEachFamily((family) => last.set(atMs / 1000, family));
		},
		synced: (synced) => {
			forEachFamily((family) => sync.observe(synced.tookMs / 1000, family));
			if (synced.sinceChangeMs !== undefined) programming.observe(synced.sinceChangeMs / 1000);
		},
		observe: (all, node) => {
			let count = 0;
			let places = 0;
			const without = new Map(node.families.map((one) => [one, { internal: 0, external: 0 }]));
			for (const service of all) {
				count++;
				for (const port of service.ports) places += port.endpoints.length;
				if (service.internalPolicy === "Cluster" && service.externalPolicy === "Cluster") continue;
				for (const [one, counts] of without) {
					if (!isOfFamily(service, one) || isServedHere(service, one, node.name)) continue;
					if (service.internalPolicy === "Local") counts.internal++;
					if (service.externalPolicy === "Local") counts.external++;
				}
			}
			services.set(count);
			endpoints.set(places);
			for (const [one, { internal, external }] of without) {
				noLocal.set(internal, { traffic_policy: "internal", ip_family: familyNames[one] });
				noLocal.set(external, { traffic_policy: "external", ip_family: familyNames[one] });
			}
		},
		changed: (changed) => {
			queued.set(seconds());
			endpointChanges.add(changed);
		},
		healthAnswered: (which, status) => (which === "healthz" ? healthz : livez).add(1, { code: String(status) }),
	};
}

const isOfFamily = ({ clusterAddresses, externalAddresses, loadBalancerAddresses }: Layer4Service, family: IpFamily) =>
	[...clusterAddresses, ...externalAddresses, ...loadBalancerAddresses].some((one) => familyOf(one) === family);

const isServedHere = ({ ports }: Layer4Service, family: IpFamily, name: string): boolean =>
	ports.some(({ endpoints }) =>
		endpoints.some(({ address, node, ready }) => ready && node === name && familyOf(address) === family),
	);

// The status as metrics in Prometheus' text format, under the names of mehdy/keepalived-exporter, so that its dashboards work,
// and what keepalived has no name for under keepmesh_vip_.

import type { InstanceStatus, VipStatus } from "./vip-status.ts";

type Labels = Readonly<Record<string, string>>;
type Row = readonly [Labels, number];

/** keepalived's numbers of the states. */
const stateNumbers: Readonly<Record<string, number>> = { INIT: 0, BACKUP: 1, MASTER: 2, FAULT: 3, STOP: 0 };

const exporterCounters = {
	keepalived_advertisements_received_total: ["advert_rcvd", "Adverts received"],
	keepalived_advertisements_sent_total: ["advert_sent", "Adverts sent"],
	keepalived_become_master_total: ["become_master", "Became master"],
	keepalived_release_master_total: ["release_master", "Released master"],
	keepalived_packet_length_errors_total: ["packet_len_err", "Packets of a wrong length"],
	keepalived_advertisements_interval_errors_total: ["advert_interval_err", "Adverts with another interval"],
	keepalived_ip_ttl_errors_total: ["ip_ttl_err", "Packets with a wrong TTL"],
	keepalived_invalid_type_received_total: ["invalid_type_rcvd", "Packets that are no adverts"],
	keepalived_address_list_errors_total: ["addr_list_err", "Adverts with other addresses"],
	keepalived_authentication_invalid_total: ["invalid_authtype", "Packets with an unknown authentication"],
	keepalived_authentication_mismatch_total: ["authtype_mismatch", "Packets with another authentication"],
	keepalived_authentication_failure_total: ["auth_failure", "Packets with a wrong password"],
	keepalived_priority_zero_received_total: ["pri_zero_rcvd", "Adverts of a master that lets go"],
	keepalived_priority_zero_sent_total: ["pri_zero_sent", "Adverts that let go"],
} as const;

const transitionCounters = new Set<string>(Object.values(exporterCounters).map(([counter]) => counter));

export function renderVipMetrics(status: VipStatus): string {
	const { instances, trackers } = status;
	const lines: string[] = [];
	const add = (name: string, type: "gauge" | "counter", help: string, rows: readonly Row[]): void => {
		if (rows.length === 0) return;
		lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
		for (const [labels, value] of rows) lines.push(`${name}${labelText(labels)} ${value}`);
	};
	add("keepalived_up", "gauge", "The process runs", [[{}, 1]]);
	const states = (pick: (instance: InstanceStatus) => readonly string[]): readonly Row[] =>
		instances.flatMap((instance) =>
			pick(instance).map((address): Row => {
				const [ip = ""] = address.split("/");
				return [{ ...labelsOf(instance), ip_address: ip }, stateNumbers[instance.state] ?? 0];
			}),
		);
	const stateHelp = "State of the virtual router: 0 init, 1 backup, 2 master, 3 fault";
	add(
		"keepalived_vrrp_state",
		"gauge",
		stateHelp,
		states(({ addresses }) => addresses),
	);
	add(
		"keepalived_vrrp_excluded_state",
		"gauge",
		stateHelp,
		states(({ excludedAddresses }) => excludedAddresses),
	);
	for (const [name, [counter, help]] of Object.entries(exporterCounters))
		add(
			name,
			"counter",
			help,
			instances.map((one): Row => [labelsOf(one), one.counters[counter] ?? 0]),
		);
	const scripts = trackers.filter(({ kind }) => kind === "script");
	add(
		"keepalived_script_status",
		"gauge",
		"Result of a tracked script: 1 good",
		scripts.map((one): Row => [{ name: one.name }, one.status === "up" ? 1 : 0]),
	);

	add(
		"keepmesh_vip_priority",
		"gauge",
		"Effective priority",
		instances.map((one): Row => [labelsOf(one), one.priority]),
	);
	add(
		"keepmesh_vip_peers",
		"gauge",
		"Keepmesh nodes alive for this virtual router",
		instances.map((one): Row => [labelsOf(one), one.nodes.length]),
	);
	add(
		"keepmesh_vip_owner_known",
		"gauge",
		"Somebody owns the addresses: 1; nobody is heard: 0",
		instances.map((one): Row => [labelsOf(one), one.owner === null ? 0 : 1]),
	);
	const leases = instances.flatMap((one) => (one.lease ? [{ one, lease: one.lease }] : []));
	add(
		"keepmesh_vip_lease_held",
		"gauge",
		"This node holds the lease: 1",
		leases.map(({ one, lease }): Row => [labelsOf(one), lease.held ? 1 : 0]),
	);
	add(
		"keepmesh_vip_lease_reachable",
		"gauge",
		"The store of the lease answers: 1",
		leases.map(({ one, lease }): Row => [labelsOf(one), lease.unreachable === undefined ? 1 : 0]),
	);
	add(
		"keepmesh_vip_lease_agrees",
		"gauge",
		"Lease and VRRP name the same node: 1",
		leases.map(({ one, lease }): Row => [labelsOf(one), lease.disagreement === undefined ? 1 : 0]),
	);
	add(
		"keepmesh_vip_events_total",
		"counter",
		"Dropped packets and other events, by reason",
		instances.flatMap((one) =>
			Object.entries(one.counters)
				.filter(([reason]) => !transitionCounters.has(reason) || reason.includes("err") || reason.includes("auth"))
				.map(([reason, count]): Row => [{ ...labelsOf(one), reason }, count]),
		),
	);
	add(
		"keepmesh_vip_stranger_packets_total",
		"counter",
		"VRRP packets that are for no virtual router here",
		status.strangers.flatMap(({ interface: intf, family, counters }) =>
			Object.entries(counters).map(([reason, count]): Row => [{ intf, family, reason }, count]),
		),
	);
	add(
		"keepmesh_vip_heartbeat_events_total",
		"counter",
		"Fast heartbeats dropped, late or not sent",
		status.heartbeats.flatMap(({ link, counters }) =>
			Object.entries(counters).map(([reason, count]): Row => [{ link, reason }, count]),
		),
	);
	add(
		"keepmesh_vip_tracker_up",
		"gauge",
		"A tracker is good: 1",
		trackers.map((one): Row => [{ name: one.name, kind: one.kind }, one.status === "up" ? 1 : 0]),
	);
	add("keepmesh_vip_config_ok", "gauge", "The last reload was taken: 1", [
		[{}, status.configProblem === undefined ? 1 : 0],
	]);
	add("keepmesh_vip_cluster_ok", "gauge", "The cluster that says what to hold can be asked, or there is none: 1", [
		[{}, status.clusterStale === undefined ? 1 : 0],
	]);
	return `${lines.join("\n")}\n`;
}

function labelsOf({ name, interface: intf, virtualRouterId }: InstanceStatus): Labels {
	return { iname: name, intf, vrid: String(virtualRouterId) };
}

function labelText(labels: Labels): string {
	const pairs = Object.entries(labels).map(
		([name, value]) => `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
	);
	return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

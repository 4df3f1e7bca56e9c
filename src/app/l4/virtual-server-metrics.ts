// Virtual servers as metrics in Prometheus' text format: weights under node_exporter's name of IPVS backends, so that its dashboards
// work with either backend, and what it has no name for under keepmesh_.

import type { RealServerStatus, VirtualServerStatus } from "./virtual-server-status.ts";

type Row = readonly [labels: Readonly<Record<string, string>>, value: number];

export function renderVirtualServerMetrics(
	servers: readonly VirtualServerStatus[],
	counters: { readonly changes: number; readonly isInForce: boolean },
): string {
	const lines: string[] = [];
	const add = (name: string, type: "gauge" | "counter", help: string, rows: readonly Row[]): void => {
		if (rows.length === 0) return;
		lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
		for (const [labels, value] of rows) lines.push(`${name}${labelText(labels)} ${value}`);
	};
	const each = (pick: (server: VirtualServerStatus, real: RealServerStatus) => readonly Row[]): readonly Row[] =>
		servers.flatMap((server) => server.realServers.flatMap((real) => pick(server, real)));
	const named = ({ virtualServer }: VirtualServerStatus) => ({ virtual_server: virtualServer });
	const of = (server: VirtualServerStatus, real: RealServerStatus) => ({
		...named(server),
		real_server: `${real.address}:${real.port ?? 0}`,
	});
	add(
		"node_ipvs_backend_weight",
		"gauge",
		"The current backend weight by local and remote address.",
		each((server, real) => (real.weight === undefined ? [] : [[backendLabels(server, real), real.weight]])),
	);
	add(
		"keepmesh_virtual_server_quorum",
		"gauge",
		"Enough weight is up",
		servers.map((server) => [named(server), Number(server.quorum.up)]),
	);
	add(
		"keepmesh_virtual_server_weight",
		"gauge",
		"Weight of all real servers that are up",
		servers.map((server) => [named(server), server.quorum.weight]),
	);
	add(
		"keepmesh_virtual_server_sorry",
		"gauge",
		"The sorry server answers",
		servers.flatMap((server): Row[] => (server.sorryServer ? [[named(server), Number(server.sorryServer.inUse)]] : [])),
	);
	add(
		"keepmesh_real_server_up",
		"gauge",
		"All checks of the real server are good",
		each((server, real) => [[of(server, real), Number(real.alive)]]),
	);
	add(
		"keepmesh_real_server_check_up",
		"gauge",
		"The check is good",
		each((server, real) =>
			real.checks.map(
				(check, index): Row => [{ ...of(server, real), check: check.type, index: String(index) }, Number(check.ok)],
			),
		),
	);
	add("keepmesh_virtual_server_changes_total", "counter", "Changes of balancers that were handed to the kernel", [
		[{}, counters.changes],
	]);
	add("keepmesh_virtual_server_in_force", "gauge", "The kernel has what is wanted", [[{}, Number(counters.isInForce)]]);
	return `${lines.join("\n")}\n`;
}

function backendLabels({ virtualServer }: VirtualServerStatus, { address, port }: RealServerStatus) {
	const [, kind = "", second = "", third = ""] = virtualServer.split(" ");
	const isAddress = kind !== "fwmark" && kind !== "group";
	const protocol = virtualServer.split(" ").at(-1) ?? "";
	return {
		local_address: isAddress ? kind : "",
		local_port: isAddress && /^\d+$/.test(second) && third !== "" ? second : "0",
		local_mark: kind === "fwmark" ? second : "",
		proto: kind === "fwmark" ? "FWM" : protocol,
		remote_address: address,
		remote_port: String(port ?? 0),
	};
}

function labelText(labels: Readonly<Record<string, string>>): string {
	const parts = Object.entries(labels).map(
		([name, value]) => `${name}="${value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`,
	);
	return parts.length === 0 ? "" : `{${parts.join(",")}}`;
}

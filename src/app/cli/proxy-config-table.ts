// A proxy's resources as tables in istioctl's columns. In: canonical JSON of clusters, listeners, routes, endpoints.

import { renderTable } from "./terminal.ts";

type Json = Readonly<Record<string, unknown>>;

export function proxyTable(type: string, items: readonly Json[]): string {
	switch (type) {
		case "clusters":
			return renderTable(["SERVICE FQDN", "PORT", "SUBSET", "DIRECTION", "TYPE"], items.map(clusterRow));
		case "listeners":
			return renderTable(["NAME", "ADDRESS", "PORT", "TYPE", "CHAINS"], items.map(listenerRow));
		case "routes":
			return renderTable(["NAME", "VHOST", "DOMAINS", "MATCH", "TO"], items.flatMap(routeRows));
		case "endpoints":
			return renderTable(["ENDPOINT", "STATUS", "WEIGHT", "CLUSTER"], items.flatMap(endpointRows));
		default:
			return renderTable(
				["NAME"],
				items.map((item) => [text(item.name)]),
			);
	}
}

function clusterRow(cluster: Json): readonly string[] {
	const name = text(cluster.name);
	const [direction = "", port = "", subset = "", host = ""] = name.split("|");
	const type = text(cluster.type) || text(record(cluster.clusterType).name) || "STATIC";
	return name.includes("|") ? [host || "-", port, subset || "-", direction, type] : [name, "-", "-", "-", type];
}

function listenerRow(listener: Json): readonly string[] {
	const address = record(record(listener.address).socketAddress);
	const chains = list(listener.filterChains).length + (listener.defaultFilterChain ? 1 : 0);
	return [
		text(listener.name),
		text(address.address),
		text(address.portValue),
		text(listener.trafficDirection) || "-",
		String(chains),
	];
}

function routeRows(table: Json): readonly (readonly string[])[] {
	return list(table.virtualHosts).flatMap((host) =>
		list(host.routes).map((route) => {
			const domains = (host.domains ?? []) as readonly string[];
			const shown =
				domains.length > 2 ? `${domains.slice(0, 2).join(", ")} + ${domains.length - 2} more` : domains.join(", ");
			return [text(table.name), text(host.name), shown, matchText(record(route.match)), targetText(route)];
		}),
	);
}

function matchText(match: Json): string {
	const path = match.path ?? match.pathSeparatedPrefix ?? record(match.safeRegex).regex ?? match.prefix ?? "";
	const headers = list(match.headers).map((header) => text(header.name));
	const prefix = match.prefix === undefined ? text(path) : `${text(match.prefix)}*`;
	return headers.length > 0 ? `${prefix} headers ${headers.join(",")}` : prefix;
}

function targetText(route: Json): string {
	const action = record(route.route);
	const weighted = list(record(action.weightedClusters).clusters);
	if (weighted.length > 0) return weighted.map((one) => `${text(one.name)} ${text(one.weight) || "0"}`).join(", ");
	if (route.redirect) return "redirect";
	if (route.directResponse) return `response ${text(record(route.directResponse).status)}`;
	return text(action.cluster) || text(action.clusterHeader) || "-";
}

function endpointRows(assignment: Json): readonly (readonly string[])[] {
	return list(assignment.endpoints).flatMap((locality) =>
		list(locality.lbEndpoints).map((one) => {
			const address = record(record(record(one.endpoint).address).socketAddress);
			const pipe = record(record(record(one.endpoint).address).pipe);
			const where =
				address.address === undefined ? text(pipe.path) : `${text(address.address)}:${text(address.portValue)}`;
			return [
				where || "-",
				text(one.healthStatus) || "HEALTHY",
				text(one.loadBalancingWeight) || "1",
				text(assignment.clusterName),
			];
		}),
	);
}

function text(value: unknown): string {
	return value === undefined || value === null ? "" : String(value);
}

function record(value: unknown): Json {
	return typeof value === "object" && value !== null ? (value as Json) : {};
}

function list(value: unknown): readonly Json[] {
	return Array.isArray(value) ? (value as readonly Json[]) : [];
}

// GatewayView -> route tables: one for each routeName, shared by the servers that name it. Rules for the same host are
// joined in their order, routes that take everything last. A table that nothing is bound to answers 404.

import type { GatewayServerView, GatewayView, RoutingRule } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { type EncodedRoute, rememberedHttpRoutes } from "./http-routes.ts";
import { type RouteScope, servicesByHost } from "./route-scope.ts";
import { encodeRouteTable, type VirtualHost } from "./route-table.ts";

/** Sorted by name. */
export function generateGatewayRoutes(view: GatewayView): readonly EncodedResource[] {
	const byTable = new Map<string, GatewayServerView[]>();
	for (const server of view.listeners.flatMap(({ servers }) => servers)) {
		if (server.routeName === undefined) continue;
		byTable.set(server.routeName, [...(byTable.get(server.routeName) ?? []), server]);
	}
	const services = servicesByHost(view.services);
	return [...byTable.entries()]
		.sort(([a], [b]) => compareText(a, b))
		.map(([name, servers]) => encodeRouteTable(name, virtualHosts(servers, { mesh: view.mesh, services })));
}

interface GatewayHost {
	readonly host: string;
	readonly port: number;
	readonly rules: Set<RoutingRule>;
	readonly routes: EncodedRoute[];
	requireTls: boolean;
}

function virtualHosts(
	servers: readonly GatewayServerView[],
	shared: Pick<RouteScope, "mesh" | "services">,
): readonly VirtualHost[] {
	const hosts = new Map<string, GatewayHost>();
	for (const server of servers) addServer(hosts, server, shared);
	if (hosts.size === 0) {
		const name = `blackhole:${servers[0]?.server.port.number ?? 0}`;
		return [{ name, domains: ["*"], routes: [] }];
	}
	return collapsed([...hosts.values()]);
}

function addServer(
	hosts: Map<string, GatewayHost>,
	{ server, hosts: served, rules }: GatewayServerView,
	shared: Pick<RouteScope, "mesh" | "services">,
): void {
	const port = server.port.number;
	const redirects = server.tls?.httpsRedirect === true;
	const hostOf = (name: string): GatewayHost => {
		const host = name.toLowerCase();
		const known = hosts.get(host) ?? { host, port, rules: new Set(), routes: [], requireTls: false };
		hosts.set(host, known);
		if (redirects) known.requireTls = true;
		return known;
	};
	for (const rule of rules) {
		const routes = rememberedHttpRoutes(rule, {
			...shared,
			port,
			tls: server.tls !== undefined && !redirects,
			verifiesTokens: true,
		});
		if (routes.length === 0) continue;
		for (const name of rule.hosts) {
			const host = hostOf(name);
			if (host.rules.has(rule)) continue;
			host.rules.add(rule);
			host.routes.push(...routes);
		}
	}
	if (redirects) for (const name of served) hostOf(name);
}

/** Hosts with the same routes share one virtual host, named after the first of them. */
function collapsed(hosts: readonly GatewayHost[]): readonly VirtualHost[] {
	const merged: { readonly first: GatewayHost; readonly domains: string[] }[] = [];
	for (const host of [...hosts].sort((a, b) => compareText(a.host, b.host))) {
		const same = merged.find(({ first }) => haveSameRoutes(first, host));
		if (same) same.domains.push(host.host);
		else merged.push({ first: host, domains: [host.host] });
	}
	return merged
		.map(({ first, domains }) => ({
			name: `${first.host}:${first.port}`,
			domains,
			routes: [
				...first.routes.filter((route) => !route.catchAll),
				...first.routes.filter((route) => route.catchAll),
			].map(({ bytes }) => bytes),
			requireTls: first.requireTls,
		}))
		.sort((a, b) => compareText(a.name, b.name));
}

function haveSameRoutes(a: GatewayHost, b: GatewayHost): boolean {
	return (
		a.requireTls === b.requireTls &&
		a.routes.length === b.routes.length &&
		a.routes.every((route, index) => route === b.routes[index])
	);
}

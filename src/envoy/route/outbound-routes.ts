// OutboundView -> route tables: one for each HTTP port, one for each sniffed service port. A table holds a virtual host
// for each service of its port, and for hosts of rules that are no services; the last resort comes last.

import type { ServicePort } from "../../model/service.ts";
import type { OutboundView, RoutingRule, ServiceView } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { outboundRouteName } from "../names.ts";
import { routeTableName } from "../route-table-name.ts";
import { allowAnyRoute, blockAllRoute, defaultRoute } from "./default-route.ts";
import { rememberedHttpRoutes } from "./http-routes.ts";
import { type RouteScope, servicesByHost } from "./route-scope.ts";
import { encodeRouteTable, type VirtualHost } from "./route-table.ts";
import { RuleIndex } from "./rule-index.ts";
import { ClaimedDomains, hostDomains } from "./virtual-host-domains.ts";

/** Sorted by name. */
export function generateOutboundRoutes(view: OutboundView): readonly EncodedResource[] {
	const services = servicesByHost(view.services);
	const rules = new RuleIndex(view.rules);
	const tables: EncodedResource[] = [];
	for (const [port, members] of httpServicesByPort(view.services)) {
		const scope: RouteScope = { mesh: view.mesh, port, tls: false, services };
		const shared = members.some(
			(member) => routeTableName(member.view.service, member.port) === outboundRouteName(port),
		);
		if (shared) tables.push(sharedTable(view, members, scope, rules));
		for (const member of members) {
			const name = routeTableName(member.view.service, member.port);
			if (name !== undefined && name !== outboundRouteName(port)) tables.push(ownTable(name, member, scope, rules));
		}
	}
	return tables.sort((a, b) => compareText(a.name, b.name));
}

interface PortMember {
	readonly view: ServiceView;
	readonly port: ServicePort;
}

/** Services that speak HTTP on a port, or may. */
function httpServicesByPort(services: readonly ServiceView[]): ReadonlyMap<number, readonly PortMember[]> {
	const byPort = new Map<number, PortMember[]>();
	for (const view of services) {
		for (const port of view.service.ports) {
			if (routeTableName(view.service, port) === undefined) continue;
			const members = byPort.get(port.number);
			if (members === undefined) byPort.set(port.number, [{ view, port }]);
			else if (members.at(-1)?.view !== view) members.push({ view, port });
		}
	}
	return byPort;
}

function sharedTable(
	view: OutboundView,
	members: readonly PortMember[],
	scope: RouteScope,
	rules: RuleIndex,
): EncodedResource {
	const ruled = new Map<RoutingRule, PortMember[]>();
	for (const member of members) {
		const rule = rules.ruleFor(member.view.service.hostname);
		if (rule === undefined) continue;
		const known = ruled.get(rule);
		if (known) known.push(member);
		else ruled.set(rule, [member]);
	}
	const fullNames = new Set(members.map((member) => member.view.service.hostname));
	const claimed = new ClaimedDomains(fullNames);
	const hosts = new Map<string, VirtualHost>();
	const add = (hostname: string, domains: readonly string[], routes: readonly Uint8Array[]): void => {
		const name = hostPort(hostname, scope.port);
		if (domains.length > 0 && !hosts.has(name)) hosts.set(name, { name, domains, routes });
	};
	const domainsOf = (member: PortMember): readonly string[] =>
		claimed.claim(hostDomains(member.view.service, view.namespace, view.mesh.domainSuffix));
	const done = new Set<PortMember>();
	for (const rule of view.rules) {
		const served = ruled.get(rule) ?? [];
		// A rule without a service on this port counts on port 80 only: Istio's rule for hosts outside the mesh.
		if (served.length === 0 && scope.port !== 80) continue;
		const routes = rememberedHttpRoutes(rule, scope).map(({ bytes }) => bytes);
		if (routes.length === 0) continue;
		for (const host of foreignHosts(rule, fullNames)) {
			add(host, claimed.claim({ domains: [bracketed(host)], short: new Set() }), routes);
		}
		for (const member of served) {
			add(member.view.service.hostname, domainsOf(member), routes);
			done.add(member);
		}
	}
	for (const member of members) {
		if (done.has(member)) continue;
		add(member.view.service.hostname, domainsOf(member), [defaultRoute(member.view, scope.port, scope.mesh)]);
	}
	const sorted = [...hosts.values()].sort((a, b) => compareText(a.name, b.name));
	return encodeRouteTable(outboundRouteName(scope.port), [...sorted, lastResort(view)]);
}

/** Hosts of a rule that no service of the port answers to. */
function foreignHosts(rule: RoutingRule, fullNames: ReadonlySet<string>): readonly string[] {
	return rule.hosts.filter((host) => {
		if (!host.startsWith("*")) return !fullNames.has(host);
		return !fullNames.values().some((name) => name.endsWith(host.slice(1)));
	});
}

/** The listener is the service's alone, so whatever the client calls it, it is meant. */
function ownTable(name: string, member: PortMember, scope: RouteScope, rules: RuleIndex): EncodedResource {
	const { hostname } = member.view.service;
	const rule = rules.ruleFor(hostname);
	const ruled = rule === undefined ? [] : rememberedHttpRoutes(rule, scope).map(({ bytes }) => bytes);
	const routes = ruled.length > 0 ? ruled : [defaultRoute(member.view, scope.port, scope.mesh)];
	return encodeRouteTable(name, [{ name: hostPort(hostname, scope.port), domains: ["*"], routes }]);
}

function lastResort(view: OutboundView): VirtualHost {
	return view.outboundTrafficPolicy === "ALLOW_ANY"
		? { name: "allow_any", domains: ["*"], routes: [allowAnyRoute] }
		: { name: "block_all", domains: ["*"], routes: [blockAllRoute] };
}

function hostPort(hostname: string, port: number): string {
	return `${bracketed(hostname)}:${port}`;
}

function bracketed(hostname: string): string {
	return hostname.includes(":") && !hostname.startsWith("[") ? `[${hostname}]` : hostname;
}

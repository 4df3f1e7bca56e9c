// What a gateway workload serves: listeners merged from the Gateways that select it (in any namespace), and for each server
// the VirtualServices bound to it.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { WorkloadSecurity } from "../model/security.ts";
import type { GatewayServerView, GatewayView, RoutingRule } from "../model/view.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { keyOf } from "../resources/config-object.ts";
import { type MergedServer, mergeGatewayServers, type ServedHost } from "./gateway-servers.ts";
import { commonHost } from "./hostname.ts";
import { serviceTargetsOf } from "./inbound-view.ts";
import { selects } from "./label-selector.ts";
import { sharedServices } from "./outbound-view.ts";
import type { Routing } from "./routing.ts";
import { ruleFor } from "./routing-rule.ts";
import { keepIdentity } from "./same-value.ts";
import type { Client } from "./service-views.ts";
import type { Snapshot } from "./snapshot.ts";
import type { PreparedVirtualService } from "./virtual-service-index.ts";
import { isVisibleTo } from "./visibility.ts";
import { gatewaySecurityFor } from "./workload-security.ts";

/** The same object for all replicas of a gateway, as long as what they serve stays the same. */
export function gatewayViewFor(snapshot: Snapshot, proxy: MeshProxy): GatewayView {
	const view = unguardedView(snapshot, proxy);
	const security = gatewaySecurityFor(snapshot, proxy, gatewaysOf(view));
	if (security === undefined) return view;
	const { guardedGateways } = snapshot.memo;
	const guarded = guardedGateways.get(view) ?? new WeakMap<WorkloadSecurity, GatewayView>();
	guardedGateways.set(view, guarded);
	const known = guarded.get(security) ?? { ...view, security };
	guarded.set(security, known);
	return known;
}

/** `namespace/name` of those with a server that is served. */
function gatewaysOf(view: GatewayView): ReadonlySet<string> {
	const servers = view.listeners.flatMap((listener) => listener.servers);
	return new Set(servers.map(({ gateway }) => gateway.slice(gateway.indexOf("/") + 1)));
}

function unguardedView(snapshot: Snapshot, proxy: MeshProxy): GatewayView {
	const { routing, memo } = snapshot;
	const targetPorts = targetPortsOf(snapshot, proxy);
	const labels = Object.entries(proxy.labels).sort();
	const scope = JSON.stringify([labels, [...targetPorts]]);
	return memo.gateways.get(proxy.namespace, scope, routing, (previous) => {
		const gateways = routing.gateways.filter((gateway) => selectsProxy(gateway, proxy));
		const { listeners } = mergeGatewayServers(gateways, (port) => targetPorts.get(port) ?? port);
		const next = listeners.map((listener) => ({
			...listener,
			servers: listener.servers.map((server) => serverView(routing, proxy, server)),
		}));
		return {
			namespace: proxy.namespace,
			mesh: routing.guardMesh,
			listeners: keepIdentity(previous?.listeners, next),
			services: keepIdentity(previous?.services, sharedServices(snapshot, proxy)),
		};
	});
}

/** Port of a Service in front of the gateway -> the port that its pods listen on; the oldest Service wins. */
function targetPortsOf(snapshot: Snapshot, proxy: MeshProxy): ReadonlyMap<number, number> {
	const ports = new Map<number, number>();
	for (const { servicePort, targetPort } of serviceTargetsOf(snapshot, proxy))
		if (!ports.has(servicePort.number)) ports.set(servicePort.number, targetPort);
	return ports;
}

function selectsProxy(gateway: ConfigObject<"Gateway">, proxy: MeshProxy): boolean {
	return selects(gateway.spec.selector ?? {}, proxy.labels);
}

function serverView(routing: Routing, client: Client, merged: MergedServer): GatewayServerView {
	const { gateway, server, hosts, routeName } = merged;
	const name = `${gateway.metadata.namespace}/${gateway.metadata.name}`;
	const rules: RoutingRule[] = [];
	for (const prepared of routing.virtualServices.prepared) {
		if (!prepared.gateways.includes(name) || !isVisibleTo(prepared.exportTo, client.namespace)) continue;
		const reader = { gateway: name, namespace: client.namespace, labels: client.labels };
		const rule = ruleFor(prepared, commonHosts(prepared, hosts), reader);
		if (rule !== undefined) rules.push(rule);
	}
	return {
		gateway: keyOf(gateway),
		server,
		hosts: [...new Set(hosts.map((entry) => entry.host))],
		rules,
		...(routeName === undefined ? {} : { routeName }),
	};
}

function commonHosts(prepared: PreparedVirtualService, served: readonly ServedHost[]): readonly string[] {
	const common = new Set<string>();
	for (const host of prepared.hosts) {
		for (const entry of served) {
			if (entry.namespace !== "*" && entry.namespace !== prepared.namespace) continue;
			const both = commonHost(host, entry.host);
			if (both !== undefined) common.add(both);
		}
	}
	return [...common];
}

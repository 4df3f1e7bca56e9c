// OutboundView -> listeners: virtualOutbound, which takes all redirected connections, and one for each planned address and
// port, to which it hands them over. Names and chains as in Istio (pilot's listener builder).

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { OutboundView, RoutingRule, ServiceView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { durationFromMs, encodeResource } from "../encode-resource.ts";
import { TrafficDirection } from "../gen/envoy/config/core/v3/base_pb.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { blackHoleCluster, outboundListenerName, passthroughCluster } from "../names.ts";
import { routeTableName } from "../route-table-name.ts";
import { servicesByHost } from "./destination-cluster.ts";
import { type ChainMatch, defaultChain, FilterChains } from "./filter-chains.ts";
import { httpConnectionManager } from "./http-connection-manager.ts";
import { httpInspector, plainHttpProtocols, tlsInspector } from "./listener-filters.ts";
import { type ListenerEntry, type PlannedListener, planListeners, wildcardAddress } from "./listener-plan.ts";
import { socketAddress } from "./socket-address.ts";
import { type TcpProxyOptions, tcpProxy } from "./tcp-proxy.ts";
import { rulesForHost, type TcpRouting, tcpRouting } from "./tcp-routing.ts";
import { virtualOutbound } from "./virtual-outbound.ts";

export function generateOutboundListeners(view: OutboundView): readonly EncodedResource[] {
	const scope: Scope = { view, rules: view.rules.filter((rule) => rule.tls.length > 0 || rule.tcp.length > 0) };
	return [
		virtualOutbound(view.mesh, view.outboundTrafficPolicy),
		...planListeners(view.services).map((planned) => rememberedListener(scope, planned)),
	];
}

interface Scope {
	readonly view: OutboundView;
	/** Rules that have something to say of TCP or TLS. */
	readonly rules: readonly RoutingRule[];
}

interface Remembered {
	readonly mesh: MeshSettings;
	readonly policy: OutboundView["outboundTrafficPolicy"];
	readonly views: readonly ServiceView[];
	readonly resource: EncodedResource;
}

const remembered = new WeakMap<ServiceView, Map<string, Remembered>>();

/** A listener that no rule concerns is made again only when one of its services has changed. */
function rememberedListener(scope: Scope, planned: PlannedListener): EncodedResource {
	const { entries } = planned;
	const { mesh, outboundTrafficPolicy: policy } = scope.view;
	const [first] = entries;
	if (!first || entries.some((entry) => rulesForHost(scope.rules, entry.view.service.hostname).length > 0)) {
		return serviceListener(scope, planned);
	}
	const views = entries.map((entry) => entry.view);
	const name = outboundListenerName(planned.address, planned.port);
	const byName = remembered.get(first.view) ?? new Map<string, Remembered>();
	const known = byName.get(name);
	if (
		known?.mesh === mesh &&
		known.policy === policy &&
		known.views.length === views.length &&
		known.views.every((one, index) => one === views[index])
	) {
		return known.resource;
	}
	const resource = serviceListener(scope, planned);
	byName.set(name, { mesh, policy, views, resource });
	remembered.set(first.view, byName);
	return resource;
}

/** Where a port can only be told apart by reading, and a protocol in which the server speaks first shares it. */
const sharedSniffTimeoutMs = 100;

function serviceListener({ view, rules }: Scope, planned: PlannedListener): EncodedResource {
	const { mesh } = view;
	const { address, port, entries } = planned;
	const name = outboundListenerName(address, port);
	const chains = new FilterChains();
	const manager = (routes: string) =>
		httpConnectionManager(mesh, { direction: "outbound", statPrefix: `outbound_${name}`, routes });
	const addTcp = (match: ChainMatch, proxy: TcpProxyOptions): boolean =>
		chains.add(match, { name: chainName(proxy), filters: [tcpProxy(mesh, proxy)] });

	const routes = sharedRoutes(entries);
	const serverNames = new Set<string>();
	let readsHttp = false;
	let fallback: TcpProxyOptions | undefined;
	if (routes !== undefined) {
		readsHttp = true;
		const match = { transport: "raw_buffer", applicationProtocols: plainHttpProtocols } as const;
		chains.add(match, { name: `${name}_http`, filters: [manager(routes)] });
	}
	for (const entry of entries) {
		if (entry.kind === "http") continue;
		const routing = tcpRouting(
			entry.view,
			entry.port,
			rulesForHost(rules, entry.view.service.hostname),
			servicesByHost(view.services, "sidecar"),
		);
		const limited = entry.ranges.length > 0 ? { ranges: entry.ranges } : {};
		for (const branch of routing.branches) {
			addTcp({ ...limited, ...branch.match }, branch.proxy);
			for (const serverName of branch.match.serverNames ?? []) serverNames.add(serverName);
		}
		if (entry.ranges.length > 0) {
			if (entry.kind === "sniffed") {
				readsHttp = true;
				addSniffedRange(entry, routing);
			} else addTcp(limited, routing.otherwise);
		} else if (entry.kind === "tls" && needsSni(entries, address) && entry.view.service.hostname !== "*") {
			if (routing.bySni && address === wildcardAddress) continue;
			const { hostname } = entry.view.service;
			serverNames.add(hostname);
			addTcp({ serverNames: [hostname], transport: "tls" }, routing.otherwise);
		} else fallback ??= routing.otherwise;
	}

	function addSniffedRange(entry: ListenerEntry, routing: TcpRouting): void {
		const { ranges } = entry;
		const table = routeTableName(entry.view.service, entry.port) ?? String(port);
		const http = { ranges, transport: "raw_buffer", applicationProtocols: plainHttpProtocols } as const;
		chains.add(http, { name: `${name}_http`, filters: [manager(table)] });
		// Envoy does not step back once the transport has matched: what is not HTTP needs its own chain on each.
		addTcp({ ranges, transport: "raw_buffer" }, routing.otherwise);
		addTcp({ ranges }, routing.otherwise);
	}

	const serverSpeaksFirst = fallback !== undefined || entries.some((entry) => entry.kind === "tcp");
	const reads = readsHttp || serverNames.size > 0;
	const mixed = reads && serverSpeaksFirst && entries.some((entry) => entry.kind === "tcp");
	const sniffTimeoutMs = mesh.protocolDetectionTimeoutMs || (mixed ? sharedSniffTimeoutMs : 0);
	const otherwise = fallback ?? catchAll(view);
	return encodeResource(ListenerSchema, name, {
		name,
		address: socketAddress(address, port),
		trafficDirection: TrafficDirection.OUTBOUND,
		bindToPort: false,
		filterChains: chains.list(),
		defaultFilterChain: defaultChain({
			name: fallback ? chainName(fallback) : "PassthroughFilterChain",
			filters: [tcpProxy(mesh, otherwise)],
		}),
		listenerFilters: [...(serverNames.size > 0 ? [tlsInspector] : []), ...(readsHttp ? [httpInspector] : [])],
		...(reads && {
			listenerFiltersTimeout: durationFromMs(sniffTimeoutMs),
			continueOnListenerFiltersTimeout: true,
		}),
	});
}

/** The table of the HTTP chain: that of the port on the wildcard, that of the oldest service on an address. */
function sharedRoutes(entries: readonly ListenerEntry[]): string | undefined {
	const entry = entries.find(({ kind, ranges }) => kind === "http" || (kind === "sniffed" && ranges.length === 0));
	return entry && routeTableName(entry.view.service, entry.port);
}

/** By address alone one service is certain; on the wildcard, or when several share the address, SNI decides. */
function needsSni(entries: readonly ListenerEntry[], address: string): boolean {
	return address === wildcardAddress || entries.filter((entry) => entry.kind === "tls").length > 1;
}

/** What a wildcard listener does with connections that belong to no service of its port. */
function catchAll(view: OutboundView): TcpProxyOptions {
	const name = view.outboundTrafficPolicy === "ALLOW_ANY" ? passthroughCluster : blackHoleCluster;
	return { clusters: [{ name, weight: 1 }] };
}

function chainName(proxy: TcpProxyOptions): string {
	return proxy.statPrefix ?? proxy.clusters[0]?.name ?? "";
}

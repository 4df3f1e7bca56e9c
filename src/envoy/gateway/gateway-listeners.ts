// GatewayView -> listeners that are really bound: one for each address and port, with a chain for each server.
// HTTP servers of a port share a chain and a route table; TLS servers are told apart by SNI.

import { create } from "@bufbuild/protobuf";
import type { GatewayListenerView, GatewayServerView, GatewayView } from "../../model/view.ts";
import type { RouteDestination } from "../../resources/kinds/networking.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { isServed } from "../cluster/secret-source.ts";
import { durationFromMs, encodeResource, packAny } from "../encode-resource.ts";
import { TrafficDirection } from "../gen/envoy/config/core/v3/base_pb.ts";
import { type Filter, FilterSchema } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { SniClusterSchema } from "../gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.ts";
import { listenerAccessLogs } from "../listener/access-log.ts";
import { servicesByHost, weightedDestinations } from "../listener/destination-cluster.ts";
import { type ChainMatch, FilterChains } from "../listener/filter-chains.ts";
import { httpConnectionManager } from "../listener/http-connection-manager.ts";
import { meshHttpProtocols, meshTcpProtocols } from "../listener/inbound-tls.ts";
import { tlsInspector } from "../listener/listener-filters.ts";
import { socketAddress } from "../listener/socket-address.ts";
import { tcpProxy } from "../listener/tcp-proxy.ts";
import { blackHoleCluster, outboundListenerName } from "../names.ts";
import { httpSecurityFilters, tcpSecurityFilters } from "../security/security-filters.ts";
import { misdirectedReply } from "./misdirected.ts";
import { terminateTls } from "./server-tls.ts";

/** Istio's value: how long a client may take for its TLS handshake. */
const handshakeTimeout = durationFromMs(15_000);

/**
 * `secrets`: SDS names that will be served. A server whose certificate is not among them gets no chain, so that the other
 * servers of its port neither wait for it nor suffer.
 */
export function generateGatewayListeners(view: GatewayView, secrets: ReadonlySet<string>): readonly EncodedResource[] {
	return view.listeners.flatMap((listener) => gatewayListener(view, listener, secrets) ?? []);
}

function gatewayListener(
	view: GatewayView,
	listener: GatewayListenerView,
	secrets: ReadonlySet<string>,
): EncodedResource | undefined {
	const name = outboundListenerName(listener.bind, listener.port);
	const chains = new FilterChains();
	for (const server of listener.servers) {
		if (listener.transport === "plain") addPlain(chains, view, name, server);
		else addTls(chains, view, name, server, secrets);
	}
	if (chains.size === 0) return undefined;
	return encodeResource(ListenerSchema, name, {
		name,
		address: socketAddress(listener.bind, listener.port),
		trafficDirection: TrafficDirection.OUTBOUND,
		filterChains: chains.list(),
		...(listener.transport === "tls" && { listenerFilters: [tlsInspector] }),
		accessLog: listenerAccessLogs(view.mesh),
	});
}

/** The first server decides whether the port speaks HTTP; later ones of the other sort have nothing left to match. */
function addPlain(chains: FilterChains, view: GatewayView, name: string, server: GatewayServerView): void {
	if (server.routeName !== undefined) {
		const manager = httpConnectionManager(view.mesh, {
			direction: "gateway",
			statPrefix: `outbound_${name}`,
			routes: server.routeName,
			securityFilters: httpSecurityFilters(view.security, view.mesh),
		});
		chains.add({}, { name: server.routeName, filters: [manager] });
		return;
	}
	addTcpRoutes(chains, view, server, {}, {});
}

function addTls(
	chains: FilterChains,
	view: GatewayView,
	name: string,
	server: GatewayServerView,
	secrets: ReadonlySet<string>,
): void {
	const { tls } = server.server;
	const match: ChainMatch = { serverNames: server.hosts, transport: "tls" };
	if (server.routeName === undefined && (tls?.mode ?? "PASSTHROUGH") === "PASSTHROUGH") {
		addPassthrough(chains, view, server);
		return;
	}
	if (tls?.mode === "AUTO_PASSTHROUGH") {
		const applicationProtocols = [...meshTcpProtocols, ...meshHttpProtocols];
		const filters = [sniCluster, tcpProxy(view.mesh, { clusters: [{ name: blackHoleCluster, weight: 1 }] })];
		chains.add({ ...match, applicationProtocols }, { name: `${name}_auto_passthrough`, filters });
		return;
	}
	const http = server.routeName !== undefined;
	const terminated = tls && terminateTls(tls, http ? ["h2", "http/1.1"] : [], view.mesh);
	if (!terminated?.secrets.every((secret) => isServed(secret, secrets))) return;
	const options = { transportSocket: terminated.socket, handshakeTimeout };
	if (!http) {
		addTcpRoutes(chains, view, server, match, options);
		return;
	}
	const localReply = misdirectedReply(server.hosts);
	const manager = httpConnectionManager(view.mesh, {
		direction: "gateway",
		statPrefix: `outbound_${name}`,
		routes: server.routeName,
		clientCertificate: terminated.clientCertificate,
		securityFilters: httpSecurityFilters(view.security, view.mesh),
		...(localReply && { localReply }),
	});
	chains.add(match, { name: server.routeName, filters: [manager], ...options });
}

const sniCluster: Filter = create(FilterSchema, {
	name: "envoy.filters.network.sni_cluster",
	configType: { case: "typedConfig", value: packAny(SniClusterSchema, {}) },
});

/** TLS that the gateway does not open goes by its SNI, where a rule's `tls` part says so. */
function addPassthrough(chains: FilterChains, view: GatewayView, server: GatewayServerView): void {
	for (const rule of server.rules) {
		for (const route of rule.tls) {
			for (const match of route.match) {
				if (match.port !== undefined && match.port !== server.server.port.number) continue;
				const ranges = match.destinationSubnets ?? [];
				chains.add(
					{ serverNames: match.sniHosts, transport: "tls", ...(ranges.length > 0 && { ranges }) },
					{ name: chainName(server, rule.source), filters: proxyTo(view, server, rule.source, route.route ?? []) },
				);
			}
		}
	}
}

function addTcpRoutes(
	chains: FilterChains,
	view: GatewayView,
	server: GatewayServerView,
	base: ChainMatch,
	options: Pick<Parameters<FilterChains["add"]>[1], "transportSocket" | "handshakeTimeout">,
): void {
	for (const rule of server.rules) {
		for (const route of rule.tcp) {
			for (const match of route.match?.length ? route.match : [{}]) {
				if (match.port !== undefined && match.port !== server.server.port.number) continue;
				const ranges = match.destinationSubnets ?? [];
				const wanted: ChainMatch = {
					...base,
					...(ranges.length > 0 && { ranges }),
					...(match.sourceSubnet !== undefined && { sourceRanges: [match.sourceSubnet] }),
				};
				const filters = proxyTo(view, server, rule.source, route.route ?? []);
				chains.add(wanted, { name: chainName(server, rule.source), filters, ...options });
			}
		}
	}
}

function proxyTo(
	view: GatewayView,
	server: GatewayServerView,
	source: string,
	routes: readonly RouteDestination[],
): readonly Filter[] {
	const services = servicesByHost(view.services, "gateway");
	const found = weightedDestinations(services, routes, server.server.port.number);
	const clusters = found.length > 0 ? found : [{ name: blackHoleCluster, weight: 1 }];
	return [
		...tcpSecurityFilters(view.security, view.mesh),
		tcpProxy(view.mesh, { clusters, ...(clusters.length > 1 && { statPrefix: chainName(server, source) }) }),
	];
}

/** `PORT-NAME.VIRTUAL-SERVICE.NAMESPACE` */
function chainName(server: GatewayServerView, source: string): string {
	const [, namespace = "", name = ""] = source.split("/");
	return `${server.server.port.name ?? server.server.port.number}.${name}.${namespace}`;
}

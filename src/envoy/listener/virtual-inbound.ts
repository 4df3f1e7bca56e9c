// InboundView -> virtualInbound, which takes all redirected inbound connections: chains for each port of the workload, and
// one that passes the rest on to the application as they are. Istio: pilot's filter-chain table for each protocol and TLS mode.

import type { InboundPort, InboundView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { durationFromMs, encodeResource } from "../encode-resource.ts";
import { TrafficDirection } from "../gen/envoy/config/core/v3/base_pb.ts";
import type { Filter } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { blackHoleCluster, inboundClusterName, inboundPassthroughCluster, virtualInboundListener } from "../names.ts";
import { httpSecurityFilters, tcpSecurityFilters } from "../security/security-filters.ts";
import { listenerAccessLogs } from "./access-log.ts";
import { FilterChains } from "./filter-chains.ts";
import { httpConnectionManager } from "./http-connection-manager.ts";
import { inboundRoute } from "./inbound-route.ts";
import { inboundMutualTls, meshHttpProtocols, meshTcpProtocols } from "./inbound-tls.ts";
import { httpInspector, onlyForPorts, originalDst, plainHttpProtocols, tlsInspector } from "./listener-filters.ts";
import { socketAddress } from "./socket-address.ts";
import { tcpProxy } from "./tcp-proxy.ts";

export const virtualInboundPort = 15006;

export interface InboundListenerOptions {
	/**
	 * Mutual TLS from clients of the mesh. `permissive`: plaintext and the application's own TLS pass as well.
	 * `strict`: nothing else passes. Default: off, mesh TLS is not expected.
	 */
	readonly inboundTls?: "permissive" | "strict";
}

/** Nothing for a workload without redirect: its application answers for itself. */
export function generateInboundListeners(
	view: InboundView,
	options: InboundListenerOptions = {},
): readonly EncodedResource[] {
	if (view.interceptionMode === "NONE") return [];
	const { mesh } = view;
	const tls = options.inboundTls;
	const proxyTo = (name: string) => [tcpProxy(mesh, { clusters: [{ name, weight: 1 }] })];
	const chains = new FilterChains();
	chains.add(
		{ destinationPort: virtualInboundPort },
		{ name: "virtualInbound-blackhole", filters: proxyTo(blackHoleCluster) },
	);
	for (const port of view.ports) addPort(chains, view, port, tls);
	const rest = [...tcpSecurityFilters(view.security, mesh), ...proxyTo(inboundPassthroughCluster)];
	if (tls) {
		const mesh = { transport: "tls", applicationProtocols: [...meshTcpProtocols, ...meshHttpProtocols] } as const;
		chains.add(mesh, { name: "virtualInbound", filters: rest, transportSocket: inboundMutualTls });
	}
	if (tls !== "strict") chains.add({}, { name: "virtualInbound", filters: rest });
	return [
		encodeResource(ListenerSchema, virtualInboundListener, {
			name: virtualInboundListener,
			address: socketAddress("0.0.0.0", virtualInboundPort),
			trafficDirection: TrafficDirection.INBOUND,
			...(view.interceptionMode === "TPROXY" && { transparent: true }),
			listenerFilters: inspectors(view, tls),
			listenerFiltersTimeout: durationFromMs(mesh.protocolDetectionTimeoutMs),
			continueOnListenerFiltersTimeout: true,
			filterChains: chains.list(),
			accessLog: listenerAccessLogs(mesh),
		}),
	];
}

function addPort(
	chains: FilterChains,
	view: InboundView,
	port: InboundPort,
	tls: InboundListenerOptions["inboundTls"],
): void {
	const destinationPort = port.targetPort;
	const name = `0.0.0.0_${destinationPort}`;
	const http = speaks(port);
	const manager = (clientCertificate: boolean): readonly Filter[] => [
		httpConnectionManager(view.mesh, {
			direction: "inbound",
			statPrefix: `inbound_${name}`,
			routes: inboundRoute(port),
			clientCertificate,
			securityFilters: httpSecurityFilters(view.security, view.mesh),
		}),
	];
	const proxy = [
		...tcpSecurityFilters(view.security, view.mesh),
		tcpProxy(view.mesh, { clusters: [{ name: inboundClusterName(destinationPort), weight: 1 }] }),
	] as const;
	if (tls) {
		const secure = { name, transportSocket: inboundMutualTls } as const;
		const match = { destinationPort, transport: "tls" } as const;
		if (http === "always") {
			const applicationProtocols = [...meshHttpProtocols, ...meshTcpProtocols];
			chains.add({ ...match, applicationProtocols }, { ...secure, filters: manager(true) });
		} else if (http === "maybe") {
			chains.add({ ...match, applicationProtocols: meshHttpProtocols }, { ...secure, filters: manager(true) });
		}
		if (http !== "always") {
			chains.add({ ...match, applicationProtocols: meshTcpProtocols }, { ...secure, filters: proxy });
		}
		if (tls === "strict") return;
		// The application's own TLS.
		chains.add(match, { name, filters: proxy });
	}
	const plain = tls ? ({ destinationPort, transport: "raw_buffer" } as const) : { destinationPort };
	if (http === "always") chains.add(plain, { name, filters: manager(false) });
	else if (http === "maybe") {
		chains.add({ ...plain, applicationProtocols: plainHttpProtocols }, { name, filters: manager(false) });
		chains.add(plain, { name, filters: proxy });
	} else chains.add(plain, { name, filters: proxy });
}

function speaks(port: InboundPort): "always" | "maybe" | "never" {
	switch (port.protocol) {
		case "HTTP":
		case "HTTP2":
		case "GRPC":
		case "GRPC-WEB":
			return "always";
		case "AUTO":
			return "maybe";
		default:
			return "never";
	}
}

/**
 * Only sniffed ports wait for the first bytes. With mesh TLS the TLS inspector must read every port: in strict mode clients
 * speak first anyway; in permissive mode a server-first protocol without TLS waits for the detection timeout, as in Istio.
 */
function inspectors(view: InboundView, tls: InboundListenerOptions["inboundTls"]) {
	const sniffed = view.ports.filter((port) => speaks(port) === "maybe").map((port) => port.targetPort);
	return [
		originalDst,
		...(tls ? [tlsInspector] : []),
		...(sniffed.length > 0 ? [onlyForPorts(httpInspector, sniffed)] : []),
	];
}

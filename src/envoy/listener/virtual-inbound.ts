// InboundView -> virtualInbound, which takes all redirected inbound connections: chains for each port of the workload, and
// some that pass the rest on to the application. Each port has the mode of mutual TLS that its PeerAuthentications say.

import type { InboundView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { durationFromMs, encodeResource } from "../encode-resource.ts";
import { TrafficDirection } from "../gen/envoy/config/core/v3/base_pb.ts";
import type { Filter, ListenerFilter } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { blackHoleCluster, inboundClusterName, inboundPassthroughCluster, virtualInboundListener } from "../names.ts";
import { httpSecurityFilters, tcpSecurityFilters } from "../security/security-filters.ts";
import { undeliveredReply } from "../undelivered.ts";
import { listenerAccessLogs } from "./access-log.ts";
import { FilterChains } from "./filter-chains.ts";
import { httpConnectionManager } from "./http-connection-manager.ts";
import {
	type InboundChain,
	type InboundSpeech,
	inboundChains,
	readsHttp,
	readsTls,
	speechOf,
} from "./inbound-chains.ts";
import { type InboundMode, inboundModes } from "./inbound-mode.ts";
import { inboundRoute, passthroughRoute } from "./inbound-route.ts";
import { inboundMutualTls } from "./inbound-tls.ts";
import { exceptForPorts, httpInspector, onlyForPorts, originalDst, tlsInspector } from "./listener-filters.ts";
import { socketAddress } from "./socket-address.ts";
import { tcpProxy } from "./tcp-proxy.ts";

export const virtualInboundPort = 15006;
export const blackHoleChain = "virtualInbound-blackhole";
/** Of chains that let nothing in, for want of a certificate. */
export const closedChainSuffix = "-closed";

/** How long a client may take for its TLS handshake; gateways give it the same. */
const handshakeTimeout = durationFromMs(15_000);

/** What connections to one port, or to all others, meet. */
interface InboundTarget {
	readonly name: string;
	/** Absent: every port that no other target has. */
	readonly destinationPort?: number;
	readonly speech: InboundSpeech;
	readonly mode: InboundMode;
	readonly cluster: string;
	readonly routes: () => ReturnType<typeof inboundRoute>;
}

/**
 * `workloadCertificate`: the proxy can offer mutual TLS. Nothing for a workload without redirect: its application answers
 * for itself.
 */
export function generateInboundListeners(view: InboundView, workloadCertificate: boolean): readonly EncodedResource[] {
	if (view.interceptionMode === "NONE") return [];
	const { mesh } = view;
	const targets = inboundTargets(view, workloadCertificate);
	const chains = new FilterChains();
	chains.add(
		{ destinationPort: virtualInboundPort },
		{ name: blackHoleChain, filters: [proxyTo(view, blackHoleCluster)] },
	);
	for (const target of targets) {
		const { destinationPort } = target;
		for (const chain of inboundChains(target.speech, target.mode)) {
			chains.add(
				{ ...chain.match, ...(destinationPort !== undefined && { destinationPort }) },
				{
					name: chain.as === "closed" ? `${target.name}${closedChainSuffix}` : target.name,
					filters: filtersOf(view, target, chain),
					...(chain.mutualTls && { transportSocket: inboundMutualTls(mesh), handshakeTimeout }),
				},
			);
		}
	}
	return [
		encodeResource(ListenerSchema, virtualInboundListener, {
			name: virtualInboundListener,
			address: socketAddress("0.0.0.0", virtualInboundPort),
			trafficDirection: TrafficDirection.INBOUND,
			...(view.interceptionMode === "TPROXY" && { transparent: true }),
			listenerFilters: [
				originalDst,
				...inspector(tlsInspector, targets, ({ mode }) => readsTls(mode)),
				...inspector(httpInspector, targets, ({ speech, mode }) => readsHttp(speech, mode)),
			],
			listenerFiltersTimeout: durationFromMs(mesh.protocolDetectionTimeoutMs),
			continueOnListenerFiltersTimeout: true,
			filterChains: chains.list(),
			accessLog: listenerAccessLogs(mesh),
		}),
	];
}

/** The workload's ports, then ports that only a PeerAuthentication names, then the rest. */
function inboundTargets(view: InboundView, workloadCertificate: boolean): readonly InboundTarget[] {
	const modes = inboundModes(view, workloadCertificate);
	const ports = view.ports.filter((port) => port.protocol !== "UDP");
	const known = new Set(ports.map((port) => port.targetPort));
	const passed = (mode: InboundMode) =>
		({
			mode,
			// Under DISABLE nothing needs reading, so that a server may speak first.
			speech: mode === "DISABLE" ? "tcp" : "sniffed",
			cluster: inboundPassthroughCluster,
			routes: passthroughRoute,
		}) as const;
	return [
		...ports.map((port) => ({
			name: `0.0.0.0_${port.targetPort}`,
			destinationPort: port.targetPort,
			speech: speechOf(port),
			mode: modes.onPort(port.targetPort),
			cluster: inboundClusterName(port.targetPort),
			routes: () => inboundRoute(port),
		})),
		...modes.ports
			.filter((port) => !known.has(port) && port !== virtualInboundPort)
			.map((port) => ({ name: `0.0.0.0_${port}`, destinationPort: port, ...passed(modes.onPort(port)) })),
		{ name: "virtualInbound", ...passed(modes.onOthers) },
	];
}

function filtersOf(view: InboundView, target: InboundTarget, chain: InboundChain): readonly Filter[] {
	switch (chain.as) {
		case "closed":
			return [proxyTo(view, blackHoleCluster)];
		case "tcp":
			return [...tcpSecurityFilters(view.security, view.mesh, target.speech !== "tcp"), proxyTo(view, target.cluster)];
		case "http":
			return [
				httpConnectionManager(view.mesh, {
					direction: "inbound",
					statPrefix: `inbound_${target.name}`,
					routes: target.routes(),
					clientCertificate: chain.mutualTls,
					securityFilters: httpSecurityFilters(view.security, view.mesh),
					localReply: undeliveredReply,
				}),
			];
		default:
			return chain.as satisfies never;
	}
}

function proxyTo(view: InboundView, name: string): Filter {
	return tcpProxy(view.mesh, { clusters: [{ name, weight: 1 }] });
}

/** Reads only connections to the ports that need it: a server that speaks first would wait for its client otherwise. */
function inspector(
	filter: ListenerFilter,
	targets: readonly InboundTarget[],
	reads: (target: InboundTarget) => boolean,
): readonly ListenerFilter[] {
	const rest = targets.find((target) => target.destinationPort === undefined);
	const readsRest = rest !== undefined && reads(rest);
	const exceptions = targets.flatMap((target) =>
		target.destinationPort !== undefined && reads(target) !== readsRest ? [target.destinationPort] : [],
	);
	if (readsRest) return [exceptions.length > 0 ? exceptForPorts(filter, exceptions) : filter];
	return exceptions.length > 0 ? [onlyForPorts(filter, exceptions)] : [];
}

// The listener that all redirected outbound connections reach. It hands each to the listener of its original address, or
// else of its original port, and keeps those that have none.

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { OutboundView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { encodeResource } from "../encode-resource.ts";
import { TrafficDirection } from "../gen/envoy/config/core/v3/base_pb.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { blackHoleCluster, passthroughCluster, virtualOutboundListener } from "../names.ts";
import { listenerAccessLogs } from "./access-log.ts";
import { FilterChains } from "./filter-chains.ts";
import { originalDst } from "./listener-filters.ts";
import { socketAddress } from "./socket-address.ts";
import { tcpProxy } from "./tcp-proxy.ts";

export const virtualOutboundPort = 15001;

export function virtualOutbound(mesh: MeshSettings, policy: OutboundView["outboundTrafficPolicy"]): EncodedResource {
	const proxyTo = (name: string) => [tcpProxy(mesh, { clusters: [{ name, weight: 1 }] })];
	const chains = new FilterChains();
	// A connection made to the port itself has itself as its original destination: passing it on would never end.
	chains.add(
		{ destinationPort: virtualOutboundPort },
		{ name: "virtualOutbound-blackhole", filters: proxyTo(blackHoleCluster) },
	);
	const catchAll = policy === "ALLOW_ANY" ? passthroughCluster : blackHoleCluster;
	chains.add({}, { name: "virtualOutbound-catchall-tcp", filters: proxyTo(catchAll) });
	return encodeResource(ListenerSchema, virtualOutboundListener, {
		name: virtualOutboundListener,
		address: socketAddress("0.0.0.0", virtualOutboundPort),
		trafficDirection: TrafficDirection.OUTBOUND,
		useOriginalDst: true,
		listenerFilters: [originalDst],
		filterChains: chains.list(),
		accessLog: listenerAccessLogs(mesh),
	});
}

// InboundView -> clusters that lead to the application itself, and InboundPassthroughCluster. Connections to the
// application come from 127.0.0.6 (::6), by which the redirect knows not to catch them again. Sorted by name.

import type { Duration } from "@bufbuild/protobuf/wkt";
import type { InboundPort, InboundView } from "../../model/view.ts";
import { compareText } from "../../resources/config-object.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { durationFromText } from "../duration.ts";
import { durationFromMs, encodeResource } from "../encode-resource.ts";
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { AddressSchema, BindConfigSchema } from "../gen/envoy/config/core/v3/address_pb.ts";
import { istioMetadata, serviceMetadata } from "../istio-metadata.ts";
import type { MessageFields } from "../message-fields.ts";
import { inboundClusterName, inboundPassthroughCluster } from "../names.ts";
import { circuitBreakers, keepalive } from "./connection-pool.ts";
import { passthroughTo } from "./passthrough-clusters.ts";
import { httpProtocolOptions, upstreamProtocol } from "./upstream-protocol.ts";

type ClusterInit = MessageFields<typeof ClusterSchema>;
type AddressInit = MessageFields<typeof AddressSchema>;

/** Idle hosts of an inbound cluster are never cleaned up: Istio's value, about 292 years. */
const neverCleanUp: Pick<Duration, "seconds"> = { seconds: 9223372035n };

export function generateInboundClusters(view: InboundView): readonly EncodedResource[] {
	const clusters = view.ports.filter((port) => port.protocol !== "UDP").map((port) => inboundCluster(view, port));
	return [...clusters, inboundPassthrough(view)].sort((a, b) => compareText(a.name, b.name));
}

function inboundCluster(view: InboundView, port: InboundPort): EncodedResource {
	const name = inboundClusterName(port.targetPort);
	const target = targetOf(view, port);
	const pool = port.connectionPool;
	const protocol = upstreamProtocol(port.protocol, withoutUpgrade(pool), true);
	return encodeResource(ClusterSchema, name, {
		name,
		connectTimeout: durationFromText(pool?.tcp?.connectTimeout) ?? durationFromMs(view.mesh.connectTimeoutMs),
		circuitBreakers: circuitBreakers(pool, undefined),
		upstreamConnectionOptions: keepalive(pool),
		typedExtensionProtocolOptions: httpProtocolOptions({ protocol, pool }),
		...(target === "originalDestination" ? originalDestination : staticTarget(name, target.address)),
		...((target === "originalDestination" || !target.loopback) && { upstreamBindConfig: bindConfig(view.addresses) }),
		...(port.service && { metadata: istioMetadata({ services: [serviceMetadata(port.service)] }) }),
	});
}

const originalDestination: ClusterInit = {
	clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.ORIGINAL_DST },
	lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED,
	cleanupInterval: neverCleanUp,
};

function staticTarget(name: string, address: AddressInit): ClusterInit {
	return {
		clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
		loadAssignment: {
			clusterName: name,
			endpoints: [{ lbEndpoints: [{ hostIdentifier: { case: "endpoint", value: { address } } }] }],
		},
	};
}

function inboundPassthrough(view: InboundView): EncodedResource {
	return encodeResource(ClusterSchema, inboundPassthroughCluster, {
		...passthroughTo(view.mesh, inboundPassthroughCluster),
		upstreamBindConfig: bindConfig(view.addresses),
	});
}

type Target = "originalDestination" | { readonly address: AddressInit; readonly loopback: boolean };

function targetOf(view: InboundView, port: InboundPort): Target {
	const { defaultEndpoint } = port;
	if (defaultEndpoint?.startsWith("unix://")) {
		const pipe = { path: defaultEndpoint.slice("unix://".length) };
		return { address: { address: { case: "pipe", value: pipe } }, loopback: true };
	}
	const [, bracketed, plain, portText] = defaultEndpoint?.match(/^(?:\[(.+)\]|([^:]+)):(\d+)$/) ?? [];
	const host = bracketed ?? plain;
	if (host !== undefined) return socketTarget(instanceAddress(view, host), Number(portText));
	// Without a redirect there is no original destination to go to.
	return view.interceptionMode === "NONE" ? socketTarget("127.0.0.1", port.targetPort) : "originalDestination";
}

/** `0.0.0.0` and `::` stand for the workload's own address. */
function instanceAddress(view: InboundView, host: string): string {
	if (host === "0.0.0.0") return view.addresses.find((address) => !address.includes(":")) ?? "127.0.0.1";
	if (host === "::") return view.addresses.find((address) => address.includes(":")) ?? "::1";
	return host;
}

function socketTarget(address: string, portValue: number): Target {
	return {
		address: {
			address: { case: "socketAddress", value: { address, portSpecifier: { case: "portValue", value: portValue } } },
		},
		loopback: address === "127.0.0.1" || address === "::1",
	};
}

function bindConfig(addresses: readonly string[]): MessageFields<typeof BindConfigSchema> {
	const sources = [
		...(addresses.some((address) => !address.includes(":")) || addresses.length === 0 ? ["127.0.0.6"] : []),
		...(addresses.some((address) => address.includes(":")) ? ["::6"] : []),
	].map((address) => ({ address, portSpecifier: { case: "portValue" as const, value: 0 } }));
	const [sourceAddress, ...more] = sources;
	return { sourceAddress, extraSourceAddresses: more.map((address) => ({ address })) };
}

/** An upgrade to HTTP/2 is between proxies; the application gets what it says it speaks. */
function withoutUpgrade(pool: InboundPort["connectionPool"]): InboundPort["connectionPool"] {
	return pool?.http && { ...pool, http: { ...pool.http, h2UpgradePolicy: "DEFAULT" } };
}

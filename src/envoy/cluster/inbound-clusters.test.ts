import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import type { InboundPort, InboundView } from "../../model/view.ts";
import {
	type Cluster,
	Cluster_DiscoveryType,
	Cluster_LbPolicy,
	ClusterSchema,
} from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { decoded, named, port, service } from "../views.testing.ts";
import { generateInboundClusters } from "./inbound-clusters.ts";

function view(ports: readonly InboundPort[], fields: Partial<InboundView> = {}): InboundView {
	return {
		mesh: defaultMeshSettings,
		namespace: "default",
		interceptionMode: "REDIRECT",
		addresses: ["10.1.0.5"],
		ports,
		...fields,
	};
}

function clusterOf(one: InboundPort, fields: Partial<InboundView> = {}, name = `inbound|${one.targetPort}||`): Cluster {
	return decoded(ClusterSchema, named(generateInboundClusters(view([one], fields)), name));
}

function targetOf(cluster: Cluster): unknown {
	const identifier = cluster.loadAssignment?.endpoints[0]?.lbEndpoints[0]?.hostIdentifier;
	const address = identifier?.case === "endpoint" ? identifier.value.address?.address : undefined;
	if (address?.case === "pipe") return address.value.path;
	return address?.case === "socketAddress" && `${address.value.address}:${address.value.portSpecifier.value}`;
}

describe("inbound clusters", () => {
	it("lead to where the client went, from 127.0.0.6", () => {
		const cluster = clusterOf({
			targetPort: 9080,
			protocol: "HTTP",
			service: service("reviews"),
			servicePort: port(80),
		});
		assert.deepEqual(cluster.clusterDiscoveryType.value, Cluster_DiscoveryType.ORIGINAL_DST);
		assert.equal(cluster.lbPolicy, Cluster_LbPolicy.CLUSTER_PROVIDED);
		assert.equal(cluster.upstreamBindConfig?.sourceAddress?.address, "127.0.0.6");
		assert.deepEqual(cluster.metadata?.filterMetadata.istio, {
			services: [{ host: "reviews.default.svc.cluster.local", name: "reviews", namespace: "default" }],
		});
	});

	it("come from ::6 to IPv6 workloads, and from both where a workload has both", () => {
		const one: InboundPort = { targetPort: 9080, protocol: "TCP" };
		const v6 = clusterOf(one, { addresses: ["fd00::5"] }).upstreamBindConfig;
		assert.equal(v6?.sourceAddress?.address, "::6");
		const both = clusterOf(one, { addresses: ["10.1.0.5", "fd00::5"] }).upstreamBindConfig;
		assert.deepEqual(
			[both?.sourceAddress?.address, ...(both?.extraSourceAddresses ?? []).map(({ address }) => address?.address)],
			["127.0.0.6", "::6"],
		);
	});

	const endpoints = [
		["127.0.0.1:8080", "127.0.0.1:8080", undefined],
		["0.0.0.0:8080", "10.1.0.5:8080", "127.0.0.6"],
		["[::1]:8080", "::1:8080", undefined],
		["unix:///run/app.sock", "/run/app.sock", undefined],
	] as const;
	for (const [defaultEndpoint, target, source] of endpoints) {
		it(`lead to defaultEndpoint ${defaultEndpoint}`, () => {
			const cluster = clusterOf({ targetPort: 9080, protocol: "TCP", defaultEndpoint });
			assert.deepEqual(cluster.clusterDiscoveryType.value, Cluster_DiscoveryType.STATIC);
			assert.equal(targetOf(cluster), target);
			assert.equal(cluster.upstreamBindConfig?.sourceAddress?.address, source);
		});
	}

	it("lead to loopback where nothing is redirected", () => {
		const cluster = clusterOf({ targetPort: 9080, protocol: "TCP" }, { interceptionMode: "NONE" });
		assert.equal(targetOf(cluster), "127.0.0.1:9080");
	});

	it("speak HTTP/2 to gRPC applications, and the client's protocol to undeclared ports", () => {
		const extensions = (protocol: InboundPort["protocol"]): number =>
			Object.keys(clusterOf({ targetPort: 9080, protocol }).typedExtensionProtocolOptions).length;
		assert.deepEqual([extensions("HTTP"), extensions("GRPC"), extensions("AUTO"), extensions("TCP")], [0, 1, 1, 0]);
	});

	it("keep the connection pool of the port, but an upgrade to HTTP/2 stops at the proxy", () => {
		const cluster = clusterOf({
			targetPort: 9080,
			protocol: "HTTP",
			connectionPool: { tcp: { maxConnections: 5 }, http: { h2UpgradePolicy: "UPGRADE" } },
		});
		assert.equal(cluster.circuitBreakers?.thresholds[0]?.maxConnections, 5);
		assert.deepEqual(Object.keys(cluster.typedExtensionProtocolOptions), []);
	});

	it("end with InboundPassthroughCluster for ports that no service names", () => {
		assert.deepEqual(
			generateInboundClusters(
				view([
					{ targetPort: 9080, protocol: "HTTP" },
					{ targetPort: 53, protocol: "UDP" },
				]),
			).map(({ name }) => name),
			["InboundPassthroughCluster", "inbound|9080||"],
		);
		const cluster = clusterOf({ targetPort: 1, protocol: "TCP" }, {}, "InboundPassthroughCluster");
		assert.deepEqual(cluster.clusterDiscoveryType.value, Cluster_DiscoveryType.ORIGINAL_DST);
		assert.equal(cluster.upstreamBindConfig?.sourceAddress?.address, "127.0.0.6");
	});
});

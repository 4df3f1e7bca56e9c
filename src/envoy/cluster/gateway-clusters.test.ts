import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { GatewayServerView } from "../../model/view.ts";
import { ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { decoded, gatewayView, named, serviceView } from "../views.testing.ts";
import { withCertificate } from "./cluster-options.ts";
import { generateGatewayClusters } from "./gateway-clusters.ts";

const reviews = serviceView(
	"reviews",
	{},
	{ subsets: [{ name: "v1", labels: { version: "v1" } }], trafficPolicy: { tls: { mode: "ISTIO_MUTUAL" } } },
);
const external = serviceView("db.example.com", { meshExternal: true });

const eastWest: GatewayServerView = {
	gateway: "Gateway/istio-system/eastwest",
	server: {
		port: { number: 15443, protocol: "TLS" },
		hosts: ["*.local"],
		tls: { mode: "AUTO_PASSTHROUGH" },
	},
	hosts: ["*.local"],
	rules: [],
};

describe("gateway clusters", () => {
	it("are under the names that clients send as SNI as well, where a server passes connections on by it", () => {
		const clusters = generateGatewayClusters(gatewayView([eastWest], [external, reviews]), withCertificate);
		assert.deepEqual(
			clusters.map(({ name }) => name).filter((name) => name.startsWith("outbound_")),
			["outbound_.9080_._.reviews.default.svc.cluster.local", "outbound_.9080_.v1_.reviews.default.svc.cluster.local"],
		);
	});

	it("named by SNI leave the client's TLS alone and share the endpoints of the ordinary cluster", () => {
		const clusters = generateGatewayClusters(gatewayView([eastWest], [reviews]), withCertificate);
		const name = "outbound_.9080_.v1_.reviews.default.svc.cluster.local";
		const cluster = decoded(ClusterSchema, named(clusters, name));
		assert.equal(cluster.edsClusterConfig?.serviceName, "outbound|9080|v1|reviews.default.svc.cluster.local");
		assert.equal(cluster.transportSocket, undefined);
		assert.deepEqual(cluster.transportSocketMatches, []);
	});

	it("have no such names otherwise", () => {
		const clusters = generateGatewayClusters(gatewayView([], [reviews]));
		assert.ok(!clusters.some(({ name }) => name.startsWith("outbound_")));
	});
});

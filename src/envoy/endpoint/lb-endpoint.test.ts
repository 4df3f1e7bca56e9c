import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { HealthStatus } from "../gen/envoy/config/core/v3/health_check_pb.ts";
import { type LbEndpoint, LbEndpointSchema } from "../gen/envoy/config/endpoint/v3/endpoint_components_pb.ts";
import { endpoint } from "../views.testing.ts";
import { lbEndpointBytes } from "./lb-endpoint.ts";

function decode(fields: Parameters<typeof endpoint>[1], address = "10.1.0.5"): LbEndpoint {
	return fromBinary(LbEndpointSchema, lbEndpointBytes(endpoint(address, fields)));
}

describe("an LbEndpoint", () => {
	it("has the very bytes that the protobuf library would write", () => {
		const bytes = lbEndpointBytes(endpoint("10.1.0.5", { port: 65535, weight: 300, labels: { version: "v1" } }));
		const written = create(LbEndpointSchema, {
			hostIdentifier: {
				case: "endpoint",
				value: {
					address: {
						address: {
							case: "socketAddress",
							value: { address: "10.1.0.5", portSpecifier: { case: "portValue", value: 65535 } },
						},
					},
				},
			},
			healthStatus: HealthStatus.HEALTHY,
			metadata: { filterMetadata: { istio: { workload: "reviews-v1;default;reviews-v1;v1;Kubernetes" } } },
			loadBalancingWeight: 300,
		});
		assert.deepEqual(bytes, toBinary(LbEndpointSchema, written));
	});

	it("is encoded once for each Endpoint object", () => {
		const one = endpoint("10.1.0.5");
		assert.equal(lbEndpointBytes(one), lbEndpointBytes(one));
	});

	it("carries its health", () => {
		assert.equal(decode({ health: "healthy" }).healthStatus, HealthStatus.HEALTHY);
		assert.equal(decode({ health: "unhealthy" }).healthStatus, HealthStatus.UNHEALTHY);
		assert.equal(decode({ health: "draining" }).healthStatus, HealthStatus.DRAINING);
	});

	it("says whether a proxy stands before it", () => {
		const match = (tlsMode: "istio" | "disabled") =>
			decode({ tlsMode }).metadata?.filterMetadata["envoy.transport_socket_match"];
		assert.deepEqual(match("istio"), { tlsMode: "istio" });
		assert.equal(match("disabled"), undefined);
	});

	it("names its workload, with the canonical name and revision from its labels", () => {
		const workload = (labels: Record<string, string>) =>
			decode({ labels, workload: "w" }).metadata?.filterMetadata.istio?.workload;
		assert.equal(workload({}), "w;default;w;latest;Kubernetes");
		assert.equal(workload({ app: "a", version: "v" }), "w;default;a;v;Kubernetes");
		assert.equal(
			workload({ app: "a", "service.istio.io/canonical-name": "c", "app.kubernetes.io/version": "k", version: "v" }),
			"w;default;c;k;Kubernetes",
		);
		assert.equal(workload({ app: "größe" }), "w;default;größe;latest;Kubernetes");
	});

	it("may be a Unix socket", () => {
		const identifier = decode({}, "unix:///run/app.sock").hostIdentifier;
		const address = identifier.case === "endpoint" ? identifier.value.address?.address : undefined;
		assert.equal(address?.case === "pipe" && address.value.path, "/run/app.sock");
	});
});

// Everything that generation can say, given to the real Envoy in validation mode, which reads it as it would from xDS.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { create, toBinary } from "@bufbuild/protobuf";
import { generateGatewayClusters } from "../../src/envoy/cluster/gateway-clusters.ts";
import { generateInboundClusters } from "../../src/envoy/cluster/inbound-clusters.ts";
import { generateOutboundClusters } from "../../src/envoy/cluster/outbound-clusters.ts";
import { durationFromMs, packAny } from "../../src/envoy/encode-resource.ts";
import { endpointPart } from "../../src/envoy/endpoint/endpoint-part.ts";
import {
	type Bootstrap_StaticResourcesSchema,
	BootstrapSchema,
} from "../../src/envoy/gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import { Cluster_DiscoveryType, ClusterSchema } from "../../src/envoy/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ApiConfigSource_ApiType, ApiVersion } from "../../src/envoy/gen/envoy/config/core/v3/config_source_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/envoy/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { RouteConfigurationSchema } from "../../src/envoy/gen/envoy/config/route/v3/route_pb.ts";
import { CorsSchema } from "../../src/envoy/gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
import { HTTPFaultSchema } from "../../src/envoy/gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
import { RouterSchema } from "../../src/envoy/gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { HttpConnectionManagerSchema } from "../../src/envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import type { MessageFields } from "../../src/envoy/message-fields.ts";
import { generateGatewayRoutes } from "../../src/envoy/route/gateway-routes.ts";
import { generateOutboundRoutes } from "../../src/envoy/route/outbound-routes.ts";
import { decoded, endpoint, endpointsOf, endpointsView } from "../../src/envoy/views.testing.ts";
import type { EncodedResource } from "../../src/xds/resource.ts";
import { broadGateway, broadInbound, broadOutbound } from "./broad-views.ts";

const envoy = process.env.KEEPMESH_ENVOY ?? join(import.meta.dirname, "../../.keepmesh/envoy");

describe("the real Envoy", () => {
	it("accepts every cluster of a sidecar", async () => {
		await accepted([...generateOutboundClusters(broadOutbound), ...generateInboundClusters(broadInbound)], []);
	});

	it("accepts every cluster of a gateway, with automatic mutual TLS", async () => {
		await accepted(generateGatewayClusters(broadGateway, { workloadCertificate: true }), []);
	});

	it("accepts every route table", async () => {
		await accepted([], [...generateOutboundRoutes(broadOutbound), ...generateGatewayRoutes(broadGateway)]);
	});

	it("accepts every load assignment", async () => {
		const places = [
			{ region: "eu", zone: "a", subzone: "1" },
			{ region: "eu", zone: "b", subzone: "" },
			{ region: "us", zone: "", subzone: "" },
		];
		const endpoints = places.map((locality, index) =>
			endpoint(`10.1.0.${index + 1}`, {
				locality,
				tlsMode: "istio",
				labels: { version: `v${(index % 2) + 1}` },
				health: index === 1 ? "draining" : "healthy",
				weight: index + 1,
			}),
		);
		const all = broadOutbound.services.map((view) => endpointsOf(view, [...endpoints, endpoint("unix:///run/x.sock")]));
		const part = endpointPart(broadOutbound.services, endpointsView(all, { locality: places[0] }));
		assert.ok(part.resources.size > 20);
		const clusters = [...part.resources.values()].map((resource) => {
			const loadAssignment = decoded(ClusterLoadAssignmentSchema, resource);
			return create(ClusterSchema, {
				name: resource.name,
				clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
				loadAssignment,
			});
		});
		await validated({ clusters });
	});
});

async function accepted(clusters: readonly EncodedResource[], tables: readonly EncodedResource[]): Promise<void> {
	assert.ok(clusters.length + tables.length > 3);
	await validated({
		clusters: clusters.map((resource) => decoded(ClusterSchema, resource)),
		listeners: tables.map((table, index) => ({
			name: table.name,
			address: {
				address: {
					case: "socketAddress" as const,
					value: { address: "127.0.0.1", portSpecifier: { case: "portValue" as const, value: 30_000 + index } },
				},
			},
			filterChains: [{ filters: [httpConnectionManager(table)] }],
		})),
	});
}

function httpConnectionManager(table: EncodedResource) {
	const filter = (name: string, value: ReturnType<typeof packAny>) => ({
		name: `envoy.filters.http.${name}`,
		configType: { case: "typedConfig" as const, value },
	});
	return {
		name: "envoy.filters.network.http_connection_manager",
		configType: {
			case: "typedConfig" as const,
			value: packAny(HttpConnectionManagerSchema, {
				statPrefix: "test",
				routeSpecifier: { case: "routeConfig", value: decoded(RouteConfigurationSchema, table) },
				httpFilters: [
					filter("fault", packAny(HTTPFaultSchema, {})),
					filter("cors", packAny(CorsSchema, {})),
					filter("router", packAny(RouterSchema, {})),
				],
			}),
		},
	};
}

type StaticResources = MessageFields<typeof Bootstrap_StaticResourcesSchema>;

/**
 * Runs `envoy --mode validate`; fails with what Envoy says, which must not warn of anything deprecated either; the one exception
 * has no replacement that does the same.
 */
async function validated(staticResources: StaticResources): Promise<void> {
	const bootstrap = create(BootstrapSchema, {
		node: { id: "sidecar~10.1.0.5~test.default~default.svc.cluster.local", cluster: "test" },
		staticResources: {
			...staticResources,
			clusters: [
				...(staticResources.clusters ?? []),
				create(ClusterSchema, {
					name: "xds",
					clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.STATIC },
					connectTimeout: durationFromMs(1000),
				}),
			],
		},
		dynamicResources: {
			adsConfig: {
				apiType: ApiConfigSource_ApiType.DELTA_GRPC,
				transportApiVersion: ApiVersion.V3,
				grpcServices: [{ targetSpecifier: { case: "envoyGrpc", value: { clusterName: "xds" } } }],
			},
		},
	});
	const directory = await mkdtemp(join(tmpdir(), "keepmesh-validate-"));
	try {
		const file = join(directory, "bootstrap.pb");
		await writeFile(file, toBinary(BootstrapSchema, bootstrap));
		const { stderr } = await promisify(execFile)(envoy, ["--mode", "validate", "-c", file, "-l", "warning"]);
		assert.doesNotMatch(stderr, /deprecated option '(?!envoy\.config\.route\.v3\.RouteAction\.max_grpc_timeout')/);
	} finally {
		await rm(directory, { recursive: true });
	}
}

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { create, type DescMessage } from "@bufbuild/protobuf";
import { type EncodedResource, type ProxyConfig, type TypeUrl, typeUrls } from "../xds/resource.ts";
import { encodeResource, packAny, resourcePart } from "./encode-resource.ts";
import { findDanglingReferences } from "./find-dangling-references.ts";
import { Cluster_DiscoveryType, ClusterSchema } from "./gen/envoy/config/cluster/v3/cluster_pb.ts";
import { type GrpcService, GrpcServiceSchema } from "./gen/envoy/config/core/v3/grpc_service_pb.ts";
import { ListenerSchema } from "./gen/envoy/config/listener/v3/listener_pb.ts";
import { RouteConfigurationSchema } from "./gen/envoy/config/route/v3/route_pb.ts";
import { ExtAuthzSchema as HttpExtAuthzSchema } from "./gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts";
import { ExtAuthzSchema as TcpExtAuthzSchema } from "./gen/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts";
import { HttpConnectionManagerSchema } from "./gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { TcpProxySchema } from "./gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import {
	DownstreamTlsContextSchema,
	UpstreamTlsContextSchema,
} from "./gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { eachField } from "./wire-walk.ts";

function configOf(resources: readonly (readonly [TypeUrl, EncodedResource])[]): ProxyConfig {
	return new Map(
		[...Map.groupBy(resources, ([typeUrl]) => typeUrl)].map(([typeUrl, members]) => [
			typeUrl,
			{ typeUrl, parts: [resourcePart(members.map(([, resource]) => resource))] },
		]),
	);
}

function typed<Desc extends DescMessage>(schema: Desc, init: Parameters<typeof packAny<Desc>>[1]) {
	return { name: "x", configType: { case: "typedConfig", value: packAny(schema, init) } } as const;
}

const sds = (name: string) => ({ name });

const grpcTo = (clusterName: string): GrpcService =>
	create(GrpcServiceSchema, { targetSpecifier: { case: "envoyGrpc", value: { clusterName } } });

const listener = encodeResource(ListenerSchema, "l", {
	name: "l",
	filterChains: [
		{
			filters: [
				typed(HttpConnectionManagerSchema, {
					routeSpecifier: { case: "rds", value: { routeConfigName: "table" } },
					httpFilters: [
						typed(HttpExtAuthzSchema, {
							services: {
								case: "httpService",
								value: { serverUri: { httpUpstreamType: { case: "cluster", value: "http-authorizer" } } },
							},
						}),
						typed(HttpExtAuthzSchema, { services: { case: "grpcService", value: grpcTo("grpc-authorizer") } }),
					],
				}),
			],
			transportSocket: typed(DownstreamTlsContextSchema, {
				commonTlsContext: {
					tlsCertificateSdsSecretConfigs: [sds("kubernetes://cert"), sds("default")],
					validationContextType: {
						case: "combinedValidationContext",
						value: { validationContextSdsSecretConfig: sds("kubernetes://roots") },
					},
				},
			}),
		},
		{
			filters: [
				typed(TcpExtAuthzSchema, { grpcService: grpcTo("tcp-authorizer") }),
				typed(TcpProxySchema, {
					clusterSpecifier: {
						case: "weightedClusters",
						value: { clusters: [{ name: "weighted-tcp", weight: 1 }] },
					},
				}),
			],
		},
		{
			filters: [
				typed(HttpConnectionManagerSchema, {
					routeSpecifier: {
						case: "routeConfig",
						value: {
							virtualHosts: [
								{
									name: "v",
									routes: [
										{ action: { case: "route", value: { clusterSpecifier: { case: "cluster", value: "inline" } } } },
									],
								},
							],
						},
					},
				}),
			],
		},
	],
	defaultFilterChain: {
		filters: [typed(TcpProxySchema, { clusterSpecifier: { case: "cluster", value: "default-tcp" } })],
	},
});

const table = encodeResource(RouteConfigurationSchema, "table", {
	name: "table",
	virtualHosts: [
		{
			name: "v",
			routes: [
				{
					action: {
						case: "route",
						value: {
							clusterSpecifier: {
								case: "weightedClusters",
								value: { clusters: [{ name: "weighted", weight: 1 }] },
							},
							requestMirrorPolicies: [{ cluster: "mirror" }],
						},
					},
				},
			],
		},
	],
});

const cluster = encodeResource(ClusterSchema, "c", {
	name: "c",
	clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
	edsClusterConfig: { serviceName: "endpoints" },
	transportSocketMatches: [
		{
			name: "m",
			transportSocket: typed(UpstreamTlsContextSchema, {
				commonTlsContext: {
					validationContextType: { case: "validationContextSdsSecretConfig", value: sds("upstream-roots") },
				},
			}),
		},
	],
});

describe("dangling references", () => {
	it("are found wherever Envoy's messages name another resource", () => {
		const config = configOf([
			[typeUrls.listener, listener],
			[typeUrls.route, table],
			[typeUrls.cluster, cluster],
		]);
		assert.deepEqual(
			findDanglingReferences(config).toSorted(),
			[
				"cluster c names endpoints endpoints, which does not exist",
				"cluster c names secret upstream-roots, which does not exist",
				"listener l names cluster grpc-authorizer, which does not exist",
				"listener l names cluster http-authorizer, which does not exist",
				"listener l names cluster tcp-authorizer, which does not exist",
				"listener l names cluster default-tcp, which does not exist",
				"listener l names cluster inline, which does not exist",
				"listener l names cluster weighted-tcp, which does not exist",
				"listener l names secret kubernetes://cert, which does not exist",
				"listener l names secret kubernetes://roots, which does not exist",
				"route table table names cluster mirror, which does not exist",
				"route table table names cluster weighted, which does not exist",
			].toSorted(),
		);
	});

	it("are none once everything named is there", () => {
		const named = (typeUrl: TypeUrl, name: string) => [typeUrl, encodeResource(ClusterSchema, name, { name })] as const;
		const authorizers = ["grpc-authorizer", "http-authorizer", "tcp-authorizer"];
		const clusters = ["default-tcp", "inline", "weighted-tcp", "mirror", "weighted", ...authorizers];
		const config = configOf([
			[typeUrls.listener, listener],
			[typeUrls.route, table],
			[typeUrls.cluster, cluster],
			...clusters.map((name) => named(typeUrls.cluster, name)),
			named(typeUrls.endpoints, "endpoints"),
			...["kubernetes://cert", "kubernetes://roots", "upstream-roots"].map((name) => named(typeUrls.secret, name)),
		]);
		assert.deepEqual(findDanglingReferences(config), []);
	});
});

it("a walk over bytes that are no message throws rather than run past their end", () => {
	for (const bytes of [[0x0a, 5, 1], [0x0a, 0xff], [0x0b], [0xff]]) {
		assert.throws(() => eachField(Uint8Array.from(bytes), () => {}));
	}
});

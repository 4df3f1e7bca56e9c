// Encoded resources -> what the real Envoy says of them, as `envoy --mode validate` with all of them static.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { AnySchema } from "@bufbuild/protobuf/wkt";
import type { EncodedResource } from "../xds/resource.ts";
import { adsSource } from "./ads-source.ts";
import { packAny } from "./encode-resource.ts";
import { BootstrapSchema } from "./gen/envoy/config/bootstrap/v3/bootstrap_pb.ts";
import { type Cluster, ClusterSchema } from "./gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ApiConfigSource_ApiType, ApiVersion } from "./gen/envoy/config/core/v3/config_source_pb.ts";
import { type Listener, ListenerSchema } from "./gen/envoy/config/listener/v3/listener_pb.ts";
import { type RouteConfiguration, RouteConfigurationSchema } from "./gen/envoy/config/route/v3/route_pb.ts";
import { CorsSchema } from "./gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
import { HTTPFaultSchema } from "./gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
import { RouterSchema } from "./gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { HttpConnectionManagerSchema } from "./gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";

export const envoyPath = resolve(import.meta.dirname, "../../.keepmesh/envoy");

export function decodeListener(resource: EncodedResource): Listener {
	return fromBinary(ListenerSchema, fromBinary(AnySchema, resource.any).value);
}

export function decodeCluster(resource: EncodedResource): Cluster {
	return fromBinary(ClusterSchema, fromBinary(AnySchema, resource.any).value);
}

export function decodeRoutes(resource: EncodedResource): RouteConfiguration {
	return fromBinary(RouteConfigurationSchema, fromBinary(AnySchema, resource.any).value);
}

/** "" when Envoy accepts them all, else its error. Ports are checked by binding nothing: validation opens no socket. */
export function envoyRefuses(input: {
	readonly listeners?: readonly EncodedResource[];
	readonly clusters?: readonly EncodedResource[];
	/** Each is put behind a listener of its own. */
	readonly routes?: readonly EncodedResource[];
}): string {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-validate-"));
	try {
		const bootstrap = create(BootstrapSchema, {
			node: { id: "sidecar~10.1.0.1~a.b~b.svc.cluster.local", cluster: "a" },
			dynamicResources: {
				adsConfig: {
					apiType: ApiConfigSource_ApiType.DELTA_GRPC,
					transportApiVersion: ApiVersion.V3,
					grpcServices: [{ targetSpecifier: { case: "envoyGrpc", value: { clusterName: "xds-grpc" } } }],
				},
				cdsConfig: adsSource,
				ldsConfig: adsSource,
			},
			// As in the bootstrap of proxies.
			layeredRuntime: {
				layers: [
					{
						name: "static",
						layerSpecifier: { case: "staticLayer", value: { "re2.max_program_size.error_level": 32_768 } },
					},
				],
			},
			staticResources: {
				listeners: [...(input.listeners ?? []).map(decodeListener), ...(input.routes ?? []).map(listenerWith)],
				clusters: [
					{ name: "xds-grpc", loadAssignment: { clusterName: "xds-grpc" } },
					...(input.clusters ?? []).map(decodeCluster),
				],
			},
		});
		const file = join(directory, "bootstrap.pb");
		writeFileSync(file, toBinary(BootstrapSchema, bootstrap));
		const run = spawnSync(envoyPath, ["--mode", "validate", "-c", file, "-l", "error", "--disable-hot-restart"], {
			encoding: "utf8",
		});
		return run.status === 0 ? "" : `${run.stdout}${run.stderr}` || `exit ${run.status} ${run.signal}`;
	} finally {
		rmSync(directory, { recursive: true, force: true });
	}
}

function listenerWith(table: EncodedResource, index: number) {
	const filter = (name: string, value: ReturnType<typeof packAny>) => ({
		name: `envoy.filters.http.${name}`,
		configType: { case: "typedConfig" as const, value },
	});
	const manager = packAny(HttpConnectionManagerSchema, {
		statPrefix: "test",
		// As when it comes over RDS.
		routeSpecifier: { case: "routeConfig", value: { ...decodeRoutes(table), validateClusters: false } },
		httpFilters: [
			filter("fault", packAny(HTTPFaultSchema, {})),
			filter("cors", packAny(CorsSchema, {})),
			filter("router", packAny(RouterSchema, {})),
		],
	});
	const port = { case: "portValue" as const, value: 30_000 + index };
	return create(ListenerSchema, {
		name: `with ${table.name}`,
		address: { address: { case: "socketAddress", value: { address: "127.0.0.1", portSpecifier: port } } },
		filterChains: [
			{
				filters: [
					{
						name: "envoy.filters.network.http_connection_manager",
						configType: { case: "typedConfig", value: manager },
					},
				],
			},
		],
	});
}

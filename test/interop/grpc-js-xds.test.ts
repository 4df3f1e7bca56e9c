// A gRPC application without a proxy, on Google's own client library: state-of-the-world ADS end to end. The resources are
// written by hand: a listener that is an API listener, its routes, cluster and endpoints.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import {
	type Client,
	credentials,
	makeGenericClientConstructor,
	Server,
	ServerCredentials,
	type ServiceDefinition,
	type ServiceError,
} from "@grpc/grpc-js";
import { encodeResource, packAny, resourcePart } from "../../src/envoy/encode-resource.ts";
import { Cluster_DiscoveryType, ClusterSchema } from "../../src/envoy/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ApiVersion } from "../../src/envoy/gen/envoy/config/core/v3/config_source_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/envoy/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ListenerSchema } from "../../src/envoy/gen/envoy/config/listener/v3/listener_pb.ts";
import { RouteConfigurationSchema } from "../../src/envoy/gen/envoy/config/route/v3/route_pb.ts";
import { RouterSchema } from "../../src/envoy/gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { HttpConnectionManagerSchema } from "../../src/envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { type EncodedResource, type ProxyConfig, typeUrls } from "../../src/xds/resource.ts";
import { startTestControl, type TestControl } from "../../src/xds/wire/ads-client.testing.ts";

const ads = { resourceApiVersion: ApiVersion.V3, configSourceSpecifier: { case: "ads", value: {} } } as const;

const echo: ServiceDefinition = {
	who: {
		path: "/test.Echo/Who",
		requestStream: false,
		responseStream: false,
		requestSerialize: (value: Buffer) => value,
		requestDeserialize: (bytes: Buffer) => bytes,
		responseSerialize: (value: Buffer) => value,
		responseDeserialize: (bytes: Buffer) => bytes,
	},
};

async function startBackend(name: string): Promise<{ readonly port: number; readonly server: Server }> {
	const server = new Server();
	server.addService(echo, {
		who: (_call: unknown, answer: (error: null, value: Buffer) => void) => answer(null, Buffer.from(name)),
	});
	const port = await new Promise<number>((resolve, reject) => {
		server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
			error ? reject(error) : resolve(bound),
		);
	});
	return { port, server };
}

const target = "echo.default.svc.cluster.local:7000";

function listener(): EncodedResource {
	const manager = packAny(HttpConnectionManagerSchema, {
		routeSpecifier: { case: "rds", value: { configSource: ads, routeConfigName: "echo-routes" } },
		httpFilters: [{ name: "router", configType: { case: "typedConfig", value: packAny(RouterSchema, {}) } }],
	});
	return encodeResource(ListenerSchema, target, { name: target, apiListener: { apiListener: manager } });
}

function routes(cluster: string): EncodedResource {
	return encodeResource(RouteConfigurationSchema, "echo-routes", {
		name: "echo-routes",
		virtualHosts: [
			{
				name: "echo",
				domains: ["*"],
				routes: [
					{
						match: { pathSpecifier: { case: "prefix", value: "" } },
						action: { case: "route", value: { clusterSpecifier: { case: "cluster", value: cluster } } },
					},
				],
			},
		],
	});
}

function cluster(name: string): EncodedResource {
	return encodeResource(ClusterSchema, name, {
		name,
		clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
		edsClusterConfig: { edsConfig: ads },
	});
}

function endpoints(clusterName: string, port: number): EncodedResource {
	const portSpecifier = { case: "portValue", value: port } as const;
	const address = { address: { case: "socketAddress", value: { address: "127.0.0.1", portSpecifier } } } as const;
	return encodeResource(ClusterLoadAssignmentSchema, clusterName, {
		clusterName,
		endpoints: [
			{
				locality: { region: "lab" },
				loadBalancingWeight: 1,
				lbEndpoints: [{ hostIdentifier: { case: "endpoint", value: { address } } }],
			},
		],
	});
}

function serving(name: string, port: number): ProxyConfig {
	const sets = [
		[typeUrls.cluster, cluster(name)],
		[typeUrls.endpoints, endpoints(name, port)],
		[typeUrls.listener, listener()],
		[typeUrls.route, routes(name)],
	] as const;
	return new Map(sets.map(([typeUrl, resource]) => [typeUrl, { typeUrl, parts: [resourcePart([resource])] }]));
}

describe("a gRPC application without a proxy", () => {
	const backends: { readonly port: number; readonly server: Server }[] = [];
	let control: TestControl;
	let client: Client;

	before(async () => {
		backends.push(await startBackend("one"), await startBackend("two"));
		control = await startTestControl(serving("first", port(0)));
		process.env.GRPC_XDS_BOOTSTRAP_CONFIG = JSON.stringify({
			xds_servers: [
				{
					server_uri: `127.0.0.1:${control.port}`,
					channel_creds: [{ type: "insecure" }],
					server_features: ["xds_v3"],
				},
			],
			node: {
				id: "sidecar~127.0.0.1~app.default~default.svc.cluster.local",
				metadata: { GENERATOR: "grpc" },
				locality: { region: "lab" },
			},
		});
		const { register } = await import("@grpc/grpc-js-xds");
		register();
		const Echo = makeGenericClientConstructor(echo, "Echo");
		client = new Echo(`xds:///${target}`, credentials.createInsecure());
	});
	after(async () => {
		client?.close();
		for (const { server } of backends) server.forceShutdown();
		await control?.server.close();
	});

	const port = (index: number): number => backends[index]?.port ?? 0;
	const who = (): Promise<string> =>
		new Promise((resolve, reject) => {
			const deadline = Date.now() + 5_000;
			const serialize = (value: Buffer): Buffer => value;
			client.makeUnaryRequest("/test.Echo/Who", serialize, serialize, Buffer.alloc(0), { deadline }, onAnswer);
			function onAnswer(error: ServiceError | null, value?: Buffer): void {
				if (error) reject(error);
				else resolve(String(value));
			}
		});
	const until = async (holds: () => Promise<boolean> | boolean): Promise<void> => {
		const endMs = performance.now() + 5_000;
		while (!(await holds())) {
			if (performance.now() > endMs) throw new Error(`not within 5 s: ${holds}`);
			await new Promise((resolve) => setTimeout(resolve, 5));
		}
	};
	const syncs = () => control.server.sessions()[0]?.types.map(({ sync }) => sync) ?? [];

	it("finds its backend through listener, route, cluster and endpoints, and confirms all four", async () => {
		assert.equal(await who(), "one");
		await until(() => syncs().length === 4 && syncs().every((sync) => sync === "SYNCED"));
		assert.equal(control.server.sessions()[0]?.protocol, "sotw");
	});

	it("follows endpoints that change", async () => {
		control.setConfig(serving("first", port(1)));
		await until(async () => (await who()) === "two");
	});

	it("follows a route to another cluster without a failed call", async () => {
		control.setConfig(serving("second", port(0)));
		await until(async () => (await who()) === "one");
		await until(() => syncs().every((sync) => sync === "SYNCED"));
	});

	it("says what it does not accept, and goes on calling", async () => {
		const bad = encodeResource(ListenerSchema, target, { name: target });
		const broken = new Map(serving("second", port(0))).set(typeUrls.listener, {
			typeUrl: typeUrls.listener,
			parts: [resourcePart([bad])],
		});
		control.setConfig(broken);
		await until(() => syncs().includes("ERROR"));
		const error = control.server.sessions()[0]?.types.find(({ sync }) => sync === "ERROR")?.error;
		assert.notEqual(error?.message, "");
		assert.deepEqual(error?.names, [target]);
		assert.equal(await who(), "one");
		control.setConfig(serving("second", port(0)));
		await until(() => syncs().every((sync) => sync === "SYNCED"));
	});
});

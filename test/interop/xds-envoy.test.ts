// One real Envoy on delta ADS, through the relay's socket, while clusters, endpoints, listeners and routes change under
// steady traffic: nothing is lost, what is wrong is refused and named, and a new control plane has nothing to send.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { Agent, createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { encodeResource, packAny, resourcePart } from "../../src/envoy/encode-resource.ts";
import { envoyPath } from "../../src/envoy/envoy-validates.testing.ts";
import { Cluster_DiscoveryType, ClusterSchema } from "../../src/envoy/gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ApiVersion } from "../../src/envoy/gen/envoy/config/core/v3/config_source_pb.ts";
import { ClusterLoadAssignmentSchema } from "../../src/envoy/gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ListenerSchema } from "../../src/envoy/gen/envoy/config/listener/v3/listener_pb.ts";
import { RouteConfigurationSchema } from "../../src/envoy/gen/envoy/config/route/v3/route_pb.ts";
import { RouterSchema } from "../../src/envoy/gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { HttpConnectionManagerSchema } from "../../src/envoy/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { type EncodedResource, type ProxyConfig, type TypeUrl, typeUrls } from "../../src/xds/resource.ts";
import { startTestControl, type TestControl } from "../../src/xds/wire/ads-client.testing.ts";
import { startXdsRelay, type XdsRelay } from "../../src/xds/wire/xds-relay.ts";

const ads = { resourceApiVersion: ApiVersion.V3, configSourceSpecifier: { case: "ads", value: {} } } as const;
const seconds = (value: number) => ({ seconds: BigInt(value) });

const socketAddress = (port: number) => ({
	address: {
		case: "socketAddress",
		value: { address: "127.0.0.1", portSpecifier: { case: "portValue", value: port } },
	} as const,
});

const cluster = (name: string, connectTimeoutSeconds = 1): EncodedResource =>
	encodeResource(ClusterSchema, name, {
		name,
		clusterDiscoveryType: { case: "type", value: Cluster_DiscoveryType.EDS },
		edsClusterConfig: { edsConfig: ads },
		connectTimeout: seconds(connectTimeoutSeconds),
	});

const endpoints = (clusterName: string, ...ports: readonly number[]): EncodedResource =>
	encodeResource(ClusterLoadAssignmentSchema, clusterName, {
		clusterName,
		endpoints: [
			{
				lbEndpoints: ports.map((port) => ({
					hostIdentifier: { case: "endpoint", value: { address: socketAddress(port) } } as const,
				})),
			},
		],
	});

const listener = (port: number, name = "inbound"): EncodedResource =>
	encodeResource(ListenerSchema, name, {
		name,
		address: socketAddress(port),
		filterChains: [
			{
				filters: [
					{
						name: "http",
						configType: {
							case: "typedConfig",
							value: packAny(HttpConnectionManagerSchema, {
								statPrefix: "test",
								routeSpecifier: { case: "rds", value: { configSource: ads, routeConfigName: "routes" } },
								httpFilters: [
									{ name: "router", configType: { case: "typedConfig", value: packAny(RouterSchema, {}) } },
								],
							}),
						},
					},
				],
			},
		],
	});

const routes = (clusterName: string): EncodedResource =>
	encodeResource(RouteConfigurationSchema, "routes", {
		name: "routes",
		virtualHosts: [
			{
				name: "all",
				domains: ["*"],
				routes: [
					{
						match: { pathSpecifier: { case: "prefix", value: "/" } },
						action: {
							case: "route",
							value: { clusterSpecifier: { case: "cluster", value: clusterName } },
						},
					},
				],
			},
		],
	});

function configOf(...sets: readonly (readonly [TypeUrl, readonly EncodedResource[]])[]): ProxyConfig {
	return new Map(sets.map(([typeUrl, resources]) => [typeUrl, { typeUrl, parts: [resourcePart(resources)] }]));
}

async function startUpstream(name: string): Promise<{ readonly port: number; close(): void }> {
	const server = createServer((_request, response) => response.end(name));
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return {
		port: (server.address() as AddressInfo).port,
		close: () => {
			server.closeAllConnections();
			server.close();
		},
	};
}

async function freePort(): Promise<number> {
	const server = createServer();
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

describe("a real Envoy on delta ADS", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-xds-envoy-"));
	const agent = new Agent({ keepAlive: true });
	const upstreams: { readonly port: number; close(): void }[] = [];
	let control: TestControl;
	let relay: XdsRelay;
	let envoy: ChildProcess;
	let port = 0;
	let adminPort = "";
	const [a, b] = ["outbound|80||a", "outbound|80||b"] as const;

	const ask = (): Promise<string> =>
		new Promise((resolve) => {
			const outgoing = get({ host: "127.0.0.1", port, agent }, async (answer) => {
				resolve(`${answer.statusCode} ${await text(answer)}`);
			});
			outgoing.on("error", (error) => resolve(error.message));
		});
	/** The default is sooner than the 15 s after which Envoy goes on without what it waits for. */
	const until = async (what: string, holds: () => boolean | Promise<boolean>, limitMs = 14_000): Promise<number> => {
		const startMs = performance.now();
		while (!(await holds())) {
			if (performance.now() - startMs > limitMs) throw new Error(`not within ${limitMs} ms: ${what}`);
			await sleep(2);
		}
		return performance.now() - startMs;
	};
	const types = () => control.server.sessions()[0]?.types ?? [];
	const isSynced = (): boolean => types().length >= 4 && types().every(({ sync }) => sync === "SYNCED");
	const stat = async (name: string): Promise<number> => {
		const answer = await fetch(`http://127.0.0.1:${adminPort}/stats?filter=^${name}$`);
		return Number((await answer.text()).split(":")[1]);
	};
	/** Asks without a pause while `change` happens and is confirmed; every answer must be good. */
	const underTraffic = async (
		change: () => unknown,
		settled: () => boolean | Promise<boolean>,
	): Promise<Set<string>> => {
		const answers = new Map<string, number>();
		let goesOn = true;
		const asking = [1, 2, 3].map(async () => {
			while (goesOn) {
				const answer = await ask();
				answers.set(answer, (answers.get(answer) ?? 0) + 1);
			}
		});
		await sleep(20);
		await change();
		await until("the change is confirmed", settled);
		await sleep(50);
		goesOn = false;
		await Promise.all(asking);
		const bad = [...answers].filter(([answer]) => !answer.startsWith("200 "));
		assert.deepEqual(bad, [], "requests were lost");
		return new Set(answers.keys());
	};

	before(async () => {
		upstreams.push(await startUpstream("one"), await startUpstream("two"));
		port = await freePort();
		control = await startTestControl(serving(a));
		const socketPath = join(directory, "xds.sock");
		relay = await startXdsRelay(
			{
				socketPath,
				upstreams: [{ host: "127.0.0.1", port: control.port }],
				backoffMs: { first: 10, most: 50 },
			},
			{ clock: realClock, log: silentLog },
		);
		const bootstrap = join(directory, "bootstrap.json");
		const adminFile = join(directory, "admin");
		writeFileSync(bootstrap, JSON.stringify(bootstrapOf(socketPath)));
		const options = ["-c", bootstrap, "--admin-address-path", adminFile, "-l", "error", "--concurrency", "1"];
		envoy = spawn(envoyPath, [...options, "--disable-hot-restart"], { stdio: ["ignore", "ignore", "inherit"] });
		await until("Envoy has its admin port", () => existsSync(adminFile) && readFileSync(adminFile, "utf8") !== "");
		adminPort = readFileSync(adminFile, "utf8").split(":")[1] ?? "";
		await until("Envoy serves", async () => (await ask()).startsWith("200"));
	});
	after(async () => {
		agent.destroy();
		if (envoy?.exitCode === null) {
			envoy.kill("SIGKILL");
			await once(envoy, "exit");
		}
		await relay?.close();
		await control?.server.close();
		for (const upstream of upstreams) upstream.close();
		rmSync(directory, { recursive: true, force: true });
	});

	const upstreamPort = (index: number): number => upstreams[index]?.port ?? 0;
	/** Everything, with all traffic to one cluster: `a` is the first server, `b` the second. */
	function serving(name: string, connectTimeoutSeconds = 1): ProxyConfig {
		return configOf(
			[typeUrls.cluster, [cluster(name, connectTimeoutSeconds)]],
			[typeUrls.endpoints, [endpoints(name, upstreamPort(name === a ? 0 : 1))]],
			[typeUrls.listener, [listener(port)]],
			[typeUrls.route, [routes(name)]],
		);
	}

	it("starts from nothing and confirms every type", async () => {
		assert.equal(await ask(), "200 one");
		await until("all is confirmed", isSynced);
		assert.deepEqual(new Set(types().map(({ typeUrl }) => typeUrl)), new Set(Object.values(typeUrls).slice(0, 4)));
	});

	it("moves to a new cluster, with its endpoints and route, and drops the old one, without losing a request", async () => {
		const before = await stat("cluster_manager.cluster_removed");
		const answers = await underTraffic(
			() => control.setConfig(serving(b)),
			async () => isSynced() && (await stat("cluster_manager.cluster_removed")) === before + 1,
		);
		assert.deepEqual(answers, new Set(["200 one", "200 two"]));
		assert.equal(await ask(), "200 two");
	});

	it("keeps serving while a cluster changes, and is done long before Envoy would give up on its endpoints", async () => {
		const before = await stat("cluster_manager.cluster_modified");
		const startMs = performance.now();
		const answers = await underTraffic(
			() => control.setConfig(serving(b, 2)),
			async () => isSynced() && (await stat("cluster_manager.cluster_modified")) > before,
		);
		assert.deepEqual(answers, new Set(["200 two"]));
		assert.equal(await stat("cluster_manager.warming_clusters"), 0);
		assert.ok(performance.now() - startMs < 3_000);
	});

	it("takes an endpoint over within milliseconds of the change", async () => {
		const changed = new Map(serving(b, 2)).set(typeUrls.endpoints, {
			typeUrl: typeUrls.endpoints,
			parts: [resourcePart([endpoints(b, upstreamPort(0))])],
		});
		control.setConfig(changed);
		const tookMs = await until("the other server answers", async () => (await ask()) === "200 one");
		assert.ok(tookMs < 1_000, `${tookMs} ms`);
		await until("it is confirmed", isSynced);
		control.setConfig(serving(b, 2));
		await until("the change back is confirmed", isSynced);
	});

	it("refuses a broken listener with its reason, keeps serving, and takes a good one afterwards", async () => {
		const broken = encodeResource(ListenerSchema, "broken", {
			name: "broken",
			address: socketAddress(await freePort()),
		});
		const next = new Map(serving(b, 2)).set(typeUrls.listener, {
			typeUrl: typeUrls.listener,
			parts: [resourcePart([listener(port), broken])],
		});
		const before = await stat("listener_manager.lds.update_rejected");
		await underTraffic(
			() => control.setConfig(next),
			() => types().some(({ sync }) => sync === "ERROR"),
		);
		const status = types().find(({ typeUrl }) => typeUrl === typeUrls.listener);
		assert.match(status?.error?.message ?? "", /broken.*no filter chains/s);
		assert.deepEqual(status?.error?.names, ["broken"]);
		assert.deepEqual(control.server.appliedOn("broken", typeUrls.listener, broken.version).rejected.length, 1);
		assert.equal(control.server.appliedOn("inbound", typeUrls.listener, listener(port).version).applied, 1);
		await sleep(300);
		assert.equal(await stat("listener_manager.lds.update_rejected"), before + 1, "it was sent again");
		control.setConfig(serving(b, 2));
		await until("it is good again", isSynced);
	});

	it("keeps serving while every control plane is gone, and gets nothing from a new one that has nothing new", async () => {
		const successes = async (): Promise<number> =>
			(await stat("cluster_manager.cds.update_success")) + (await stat("listener_manager.lds.update_success"));
		const before = await successes();
		const { port: controlPort } = control;
		await underTraffic(
			async () => {
				await control.server.close();
				await until("the relay knows", () => relay.status()[0]?.upstream === undefined);
				control = await startTestControl(serving(b, 2), { listen: { host: "127.0.0.1", port: controlPort } });
			},
			() => isSynced(),
		);
		assert.equal(await stat("control_plane.connected_state"), 1);
		assert.equal(await successes(), before);
		assert.deepEqual(
			types().map(({ nonceSent }) => nonceSent),
			types().map(() => ""),
		);
		control.setConfig(serving(a));
		await until("the new control plane is obeyed", async () => (await ask()) === "200 one");
	});
});

function bootstrapOf(socketPath: string): object {
	const grpc = { envoy_grpc: { cluster_name: "xds" } };
	return {
		node: { id: "sidecar~127.0.0.1~envoy.test~test.svc.cluster.local", cluster: "test" },
		admin: { address: { socket_address: { address: "127.0.0.1", port_value: 0 } } },
		dynamic_resources: {
			ads_config: { api_type: "DELTA_GRPC", transport_api_version: "V3", grpc_services: [grpc] },
			cds_config: { ads: {}, resource_api_version: "V3" },
			lds_config: { ads: {}, resource_api_version: "V3" },
		},
		static_resources: {
			clusters: [
				{
					name: "xds",
					connect_timeout: "1s",
					load_assignment: {
						cluster_name: "xds",
						endpoints: [{ lb_endpoints: [{ endpoint: { address: { pipe: { path: socketPath } } } }] }],
					},
					typed_extension_protocol_options: {
						"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
							"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
							explicit_http_config: { http2_protocol_options: {} },
						},
					},
				},
			],
		},
	};
}

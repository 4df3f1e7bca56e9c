// A gRPC library without an Envoy: @grpc/grpc-js-xds, unmodified, as client and as server, on the project's xDS server.

import assert from "node:assert/strict";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client, Server, ServiceDefinition, ServiceError } from "@grpc/grpc-js";
import { findDanglingReferences } from "../../src/envoy/find-dangling-references.ts";
import { generateProxyConfig } from "../../src/envoy/generate-proxy-config.ts";
import type { Proxy as MeshProxy } from "../../src/model/proxy.ts";
import { readResourceFile } from "../../src/resources/read-resources.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { proxyFromNode } from "../../src/snapshot/proxy-from-node.ts";
import { applyChanges, emptySnapshot } from "../../src/snapshot/snapshot.ts";
import { viewFor } from "../../src/snapshot/view-for.ts";
import type { ProxyConfig } from "../../src/xds/resource.ts";
import type { XdsServer } from "../../src/xds/wire/config-source.ts";
import { startXdsServer } from "../../src/xds/wire/xds-server.ts";

const echo: ServiceDefinition = {
	say: {
		path: "/test.Echo/Say",
		requestStream: false,
		responseStream: false,
		requestSerialize: (text: string) => Buffer.from(text),
		requestDeserialize: String,
		responseSerialize: (text: string) => Buffer.from(text),
		responseDeserialize: String,
	},
};

const services = (port: number, serverPort: number): string => `
apiVersion: v1
kind: Service
metadata: { name: greeter, namespace: default }
spec:
  clusterIP: 10.96.0.1
  selector: { app: greeter }
  ports: [{ name: grpc, port: 7070, targetPort: ${port} }]
---
apiVersion: v1
kind: Service
metadata: { name: self, namespace: default }
spec:
  clusterIP: 10.96.0.2
  selector: { app: self }
  ports: [{ name: grpc, port: 7070, targetPort: ${serverPort} }]
${pod("greeter-v1", "127.0.0.2", "greeter", "v1")}
${pod("greeter-v2", "127.0.0.3", "greeter", "v2")}
${pod("self", "127.0.0.1", "self", "v1")}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: greeter, namespace: default }
spec:
  host: greeter
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
`;

function pod(name: string, ip: string, app: string, version: string): string {
	return `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: default, labels: { app: ${app}, version: ${version} } }
spec: { serviceAccountName: default }
status: { podIP: ${ip}, phase: Running, conditions: [{ type: Ready, status: "True" }] }`;
}

const virtualService = (http: string): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: greeter, namespace: default }
spec: { hosts: [greeter], http: ${http} }
`;

describe("a proxyless gRPC application", () => {
	let xds: XdsServer;
	let config: ProxyConfig | undefined;
	let grpc: typeof import("@grpc/grpc-js");
	let text = "";
	const servers: Server[] = [];
	const clients: Client[] = [];

	const use = (resources: string): void => {
		const { objects, problems } = readResourceFile("test.yaml", resources);
		assert.deepEqual(
			problems.filter((problem) => problem.severity === "error"),
			[],
		);
		const { snapshot } = applyChanges(
			emptySnapshot(),
			objects.map((object) => ({ type: "objectApplied", object })),
		);
		config = generateProxyConfig(me, viewFor(snapshot, me));
		assert.deepEqual(findDanglingReferences(config), []);
		xds.publish();
	};
	let me: MeshProxy;

	before(async () => {
		const node = {
			id: "sidecar~127.0.0.1~self.default~default.svc.cluster.local",
			locality: { region: "r", zone: "z", sub_zone: "s" },
			metadata: { GENERATOR: "grpc", NAMESPACE: "default", LABELS: { app: "self" } },
		};
		const made = proxyFromNode({ id: node.id, metadata: node.metadata });
		assert.ok(made.ok);
		me = made.proxy;
		xds = await startXdsServer(
			{ listen: { host: "127.0.0.1", port: 0 } },
			{
				source: {
					connect: () => ({ ok: true, proxyId: node.id }),
					configFor: () => config,
					disconnected: () => {},
				},
				clock: realClock,
				log: silentLog,
				metrics: createMetrics(),
			},
		);
		assert.ok("port" in xds.address);
		process.env.GRPC_XDS_BOOTSTRAP_CONFIG = JSON.stringify({
			xds_servers: [
				{
					server_uri: `127.0.0.1:${xds.address.port}`,
					channel_creds: [{ type: "insecure" }],
					server_features: ["xds_v3"],
				},
			],
			node,
			server_listener_resource_name_template: "xds.istio.io/grpc/lds/inbound/%s",
		});
		forgetLongTimers();
		grpc = await import("@grpc/grpc-js");
		const grpcXds = await import("@grpc/grpc-js-xds");
		grpcXds.register();

		const [port, serverPort] = [await freePort(), await freePort()];
		text = services(port, serverPort);
		use(text);
		for (const [name, address] of [
			["v1", `127.0.0.2:${port}`],
			["v2", `127.0.0.3:${port}`],
		] as const) {
			await serve(new grpc.Server(), name, address);
		}
		await serve(new grpcXds.XdsServer(), "self", `0.0.0.0:${serverPort}`);
	});
	after(async () => {
		for (const client of clients) client.close();
		for (const server of servers) server.forceShutdown();
		await xds?.close();
	});

	async function serve(server: Server, name: string, address: string): Promise<void> {
		servers.push(server);
		server.addService(echo, {
			say: (call: { request: string }, done: (error: null, answer: string) => void) =>
				done(null, `${name} ${call.request}`),
		});
		await new Promise<void>((resolve, reject) =>
			server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error) =>
				error ? reject(error) : resolve(),
			),
		);
	}

	function clientOf(target: string): (headers?: Readonly<Record<string, string>>) => Promise<string> {
		const client = new grpc.Client(target, grpc.credentials.createInsecure());
		clients.push(client);
		return (headers = {}) =>
			new Promise((resolve, reject) => {
				const metadata = new grpc.Metadata();
				for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
				const deadline = { deadline: Date.now() + 3000 };
				const done = (error: ServiceError | null, answer?: string): void =>
					error ? reject(error) : resolve(answer ?? "");
				client.makeUnaryRequest(
					"/test.Echo/Say",
					(value: string) => Buffer.from(value),
					String,
					"hello",
					metadata,
					deadline,
					done,
				);
			});
	}

	for (const host of ["greeter.default.svc.cluster.local", "greeter.default.svc", "greeter.default", "greeter"]) {
		it(`reaches a service as ${host}`, async () => {
			assert.match(await clientOf(`xds:///${host}:7070`)(), /^v[12] hello$/);
		});
	}

	it("follows weights and header matches of a VirtualService, and a change of them while it runs", async () => {
		const say = clientOf("xds:///greeter:7070");
		await say();
		const to = (subset: string, more = "") =>
			`{ ${more} route: [{ destination: { host: greeter, subset: ${subset} } }] }`;
		use(text + virtualService(`[${to("v2", "match: [{ headers: { x-user: { exact: jason } } }],")}, ${to("v1")}]`));
		await settle(async () =>
			(await Promise.all([say(), say(), say(), say()])).every((answer) => answer === "v1 hello"),
		);
		assert.equal(await say({ "x-user": "jason" }), "v2 hello");
		const weights = `[{ route: [{ destination: { host: greeter, subset: v1 }, weight: 25 }, { destination: { host: greeter, subset: v2 }, weight: 75 }] }]`;
		use(text + virtualService(weights));
		await settle(async () => (await Promise.all(Array.from({ length: 8 }, () => say()))).includes("v2 hello"));
		let v2 = 0;
		for (let i = 0; i < 200; i++) if ((await say()) === "v2 hello") v2++;
		// 150 expected, five standard deviations (6.1 each) around it.
		assert.ok(v2 > 119 && v2 < 181, `${v2} of 200`);
	});

	it("aborts by a VirtualService's fault", async () => {
		const say = clientOf("xds:///greeter:7070");
		const fault = "{ abort: { grpcStatus: PERMISSION_DENIED, percentage: { value: 100 } } }";
		use(text + virtualService(`[{ fault: ${fault}, route: [{ destination: { host: greeter } }] }]`));
		await settle(() =>
			say().then(
				() => false,
				(error: ServiceError) => error.code === grpc.status.PERMISSION_DENIED,
			),
		);
		use(text);
		await settle(() =>
			say().then(
				() => true,
				() => false,
			),
		);
	});

	it("serves behind the listener that its server asks for", async () => {
		assert.equal(await clientOf("xds:///self:7070")(), "self hello");
	});
});

/** The library's failover timers outlive its closed clients by 10 s, and would hold this process as long. */
function forgetLongTimers(): void {
	const realSetTimeout = globalThis.setTimeout;
	globalThis.setTimeout = ((run: () => void, ms?: number) => {
		const timer = realSetTimeout(run, ms);
		return ms !== undefined && ms >= 10_000 ? timer.unref() : timer;
	}) as typeof setTimeout;
}

async function settle(done: () => Promise<boolean>): Promise<void> {
	const until = performance.now() + 3000;
	while (!(await done())) {
		assert.ok(performance.now() < until, "did not come to that in 3 s");
		// A call that fails by an injected fault never reaches the event loop, where the next configuration waits.
		await sleep(5);
	}
}

async function freePort(): Promise<number> {
	const server = createServer().listen(0, "127.0.0.1");
	await once(server, "listening");
	const { port } = server.address() as AddressInfo;
	server.close();
	await once(server, "close");
	return port;
}

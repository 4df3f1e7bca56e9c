import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { encodedFromBytes, resourcePart } from "../../envoy/encode-resource.ts";
import { defaultHotSwitchPolicy } from "../../hotswitch/hot-switch-policy.ts";
import {
	encodeHotSwitchPolicy,
	hotSwitchPolicyName,
	hotSwitchPolicyTypeUrl,
} from "../../hotswitch/hot-switch-policy-codec.ts";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { type ResourceSet, typeUrls } from "../resource.ts";
import { proxyConfig, resource, resourceSet } from "../session.testing.ts";
import { encodedNode, startTestControl, TestClient, type TestControl } from "./ads-client.testing.ts";
import { startXdsRelay, type XdsRelay, type XdsRelayOptions } from "./xds-relay.ts";

const { cluster, endpoints, nameTable } = typeUrls;

describe("the relay", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-relay-"));
	const socketPath = join(directory, "xds.sock");
	let relay: XdsRelay | undefined;
	let controls: TestControl[] = [];
	let clients: TestClient[] = [];

	const control = async (...sets: readonly ResourceSet[]): Promise<TestControl> => {
		const started = await startTestControl(proxyConfig(...sets));
		controls.push(started);
		return started;
	};
	const start = async (upstreams: readonly TestControl[], options: Partial<XdsRelayOptions> = {}): Promise<void> => {
		relay = await startXdsRelay(
			{ socketPath, upstreams: upstreams.map(({ port }) => ({ host: "127.0.0.1", port })), ...options },
			{ clock: realClock, log: silentLog, random: () => 0 },
		);
	};
	const client = (): TestClient => {
		const opened = new TestClient({ socketPath });
		clients.push(opened);
		return opened;
	};
	const size = (of: TestClient, typeUrl: string): number => of.held.get(typeUrl)?.size ?? 0;

	afterEach(async () => {
		for (const each of clients) each.stream.close();
		await relay?.close();
		for (const each of controls) await each.server.close();
		relay = undefined;
		controls = [];
		clients = [];
	});
	process.on("exit", () => rmSync(directory, { recursive: true, force: true }));

	it("passes requests, responses and answers through", async () => {
		const one = await control(resourceSet(cluster, { a: "1", b: "1" }), resourceSet(endpoints, { a: "1" }));
		await start([one]);
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		envoy.ask({ typeUrl: endpoints, subscribe: ["a"] });
		await envoy.until(() => size(envoy, cluster) === 2 && size(envoy, endpoints) === 1);
		one.setConfig(proxyConfig(resourceSet(cluster, { a: "2", b: "1" }), resourceSet(endpoints, { a: "1" })));
		await envoy.until(() => one.server.sessions()[0]?.types.every(({ sync }) => sync === "SYNCED") === true);
		assert.equal(envoy.held.get(cluster)?.get("a"), resource(cluster, "a", "2").version);
		assert.deepEqual(relay?.status(), [{ nodeId: "sidecar~1", losses: 0, upstream: `127.0.0.1:${one.port}` }]);
	});

	it("goes to the next control plane, tells it what the proxy has, and gets only what differs", async () => {
		const contents = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`c${index}`, "1".repeat(200)]));
		const one = await control(resourceSet(cluster, contents), resourceSet(endpoints, { c1: "1" }));
		const two = await control(resourceSet(cluster, { ...contents, c7: "2" }), resourceSet(endpoints, { c1: "1" }));
		await start([one, two]);
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		envoy.ask({ typeUrl: endpoints, subscribe: ["c1"] });
		await envoy.until(() => size(envoy, cluster) === 500 && size(envoy, endpoints) === 1);
		await envoy.until(() => one.server.sessions()[0]?.types.every(({ sync }) => sync === "SYNCED") === true);
		envoy.received.length = 0;
		await one.server.close();
		controls = [two];
		await envoy.until(() => envoy.received.length > 0);
		await envoy.until(() => two.server.sessions()[0]?.types.every(({ sync }) => sync === "SYNCED") === true);
		assert.deepEqual(
			envoy.received.map(({ resources }) => resources.map(({ name }) => name)),
			[["c7"]],
		);
		assert.equal(relay?.status()[0]?.losses, 1);
	});

	it("comes back as soon as a silent control plane answers, however long it would have waited", async () => {
		const one = await control(resourceSet(cluster, { a: "1" }));
		await start([one], { backoffMs: { first: 20_000, most: 20_000 } });
		const { port } = one;
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => size(envoy, cluster) === 1);
		await one.server.close();
		controls = [];
		await envoy.until(() => relay?.status()[0]?.upstream === undefined);
		// So that it was seen to be silent.
		await sleep(400);
		const startedMs = performance.now();
		controls = [
			await startTestControl(proxyConfig(resourceSet(cluster, { a: "2" })), { listen: { host: "127.0.0.1", port } }),
		];
		await envoy.until(() => envoy.held.get(cluster)?.get("a") === resource(cluster, "a", "2").version);
		assert.ok(performance.now() - startedMs < 3_000, `took ${performance.now() - startedMs} ms`);
	});

	it("keeps the proxy's stream open while no control plane lives, and remembers what it asks for meanwhile", async () => {
		const one = await control(resourceSet(cluster, { a: "1" }));
		await start([one], { backoffMs: { first: 10, most: 40 } });
		const { port } = one;
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => size(envoy, cluster) === 1);
		await one.server.close();
		await envoy.until(() => relay?.status()[0]?.upstream === undefined);
		envoy.ask({ typeUrl: endpoints, subscribe: ["a"] });
		const again = await startTestControl(
			proxyConfig(resourceSet(cluster, { a: "1" }), resourceSet(endpoints, { a: "1" })),
			{
				listen: { host: "127.0.0.1", port },
			},
		);
		controls = [again];
		await envoy.until(() => size(envoy, endpoints) === 1);
		assert.deepEqual(
			envoy.received.map(({ typeUrl }) => typeUrl),
			[cluster, endpoints],
		);
	});

	it("starts serving a proxy that came while no control plane lived", async () => {
		const free = createTcpServer();
		const port = await new Promise<number>((resolve) => {
			free.listen(0, "127.0.0.1", () => {
				const address = free.address();
				free.close(() => resolve(typeof address === "object" && address ? address.port : 0));
			});
		});
		relay = await startXdsRelay(
			{ socketPath, upstreams: [{ host: "127.0.0.1", port }], backoffMs: { first: 10, most: 40 } },
			{ clock: realClock, log: silentLog },
		);
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => relay?.status()[0]?.lastLoss?.includes("ECONNREFUSED") === true);
		const late = await startTestControl(proxyConfig(resourceSet(cluster, { a: "1" })), {
			listen: { host: "127.0.0.1", port },
		});
		controls = [late];
		await envoy.until(() => size(envoy, cluster) === 1);
	});

	it("leaves a control plane that hangs", async () => {
		const hung = createTcpServer((socket) => socket.on("error", () => {}));
		await new Promise<void>((resolve) => hung.listen(0, "127.0.0.1", resolve));
		const address = hung.address();
		const two = await control(resourceSet(cluster, { a: "1" }));
		const port = typeof address === "object" && address ? address.port : 0;
		relay = await startXdsRelay(
			{
				socketPath,
				upstreams: [port, two.port].map((each) => ({ host: "127.0.0.1", port: each })),
				liveness: { connectTimeoutMs: 200, pingEveryMs: 50, pingTimeoutMs: 100 },
			},
			{ clock: realClock, log: silentLog, random: () => 0 },
		);
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => size(envoy, cluster) === 1);
		assert.match(relay.status()[0]?.lastLoss ?? "", /ping/);
		hung.close();
	});

	it("asks the next control plane anew for what a proxy refused or had not answered", async () => {
		const one = await control(resourceSet(cluster, { a: "1", b: "1" }));
		const two = await control(resourceSet(cluster, { a: "1" }));
		await start([one, two]);
		const envoy = client();
		envoy.answers = false;
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => size(envoy, cluster) === 2);
		await one.server.close();
		controls = [two];
		envoy.answers = true;
		// Whether it took the response of the first is not known: `a` is said again, `b` is taken away.
		await envoy.until(() => size(envoy, cluster) === 1);
		assert.deepEqual([...(envoy.held.get(cluster)?.keys() ?? [])], ["a"]);
	});

	it("does not take the answer to an old control plane's response for one to the new", async () => {
		const one = await control(resourceSet(cluster, { a: "1" }));
		const two = await control(resourceSet(cluster, { a: "2" }));
		await start([one, two]);
		const envoy = client();
		envoy.answers = false;
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => envoy.received.length === 1);
		await one.server.close();
		controls = [two];
		await envoy.until(() => envoy.received.length === 2);
		const [old, current] = envoy.received;
		assert.notEqual(old?.nonce, current?.nonce);
		envoy.ask({ typeUrl: cluster, nonce: old?.nonce ?? "", subscribe: ["x"] });
		await envoy.until(() => two.server.sessions()[0]?.types[0]?.sync === "STALE");
		assert.equal(two.server.sessions()[0]?.types[0]?.nonceAcked, "");
		envoy.ask({ typeUrl: cluster, nonce: current?.nonce ?? "" });
		await envoy.until(() => two.server.sessions()[0]?.types[0]?.nonceAcked === "1");
	});

	it("lets two Envoys of one proxy be, as one hands over to the other, and serves the one that stays", async () => {
		const one = await control(resourceSet(cluster, { a: "1" }));
		await start([one]);
		const [before, after] = [client(), client()];
		before.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await before.until(() => size(before, cluster) === 1);
		after.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await after.until(() => size(after, cluster) === 1);
		// The control plane has let go of the first; neither asks again and again.
		await sleep(300);
		const [status, ...others] = relay?.status() ?? [];
		assert.deepEqual([status?.losses, status?.upstream, others], [0, `127.0.0.1:${one.port}`, []]);
		after.stream.close();
		one.setConfig(proxyConfig(resourceSet(cluster, { a: "2" })));
		await before.until(() => before.held.get(cluster)?.get("a") === resource(cluster, "a", "2").version);
	});

	it("asks for the name table on the proxy's behalf and hands it over", async () => {
		const tables: string[] = [];
		const one = await control(resourceSet(cluster, { a: "1" }), resourceSet(nameTable, { all: "hosts" }));
		await start([one], {
			onNameTable: (proxyId, bytes) => tables.push(`${proxyId} ${new TextDecoder().decode(bytes)}`),
		});
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => tables.length === 1);
		one.setConfig(proxyConfig(resourceSet(cluster, { a: "1" }), resourceSet(nameTable, { all: "more" })));
		await envoy.until(() => tables.length === 2);
		assert.deepEqual(tables, ["sidecar~1 all=hosts", "sidecar~1 all=more"]);
		assert.deepEqual(new Set(envoy.received.map(({ typeUrl }) => typeUrl)), new Set([cluster]));
	});

	it("asks for what may be done when the proxy fails, and hands over each change of it", async () => {
		const policies: string[] = [];
		const policySet = (proveMs: number): ResourceSet => {
			const bytes = encodeHotSwitchPolicy({ ...defaultHotSwitchPolicy, proveMs });
			const typeUrl = hotSwitchPolicyTypeUrl;
			return { typeUrl, parts: [resourcePart([encodedFromBytes(hotSwitchPolicyName, typeUrl, bytes)])] };
		};
		const one = await control(resourceSet(cluster, { a: "1" }), policySet(1));
		await start([one], { onHotSwitchPolicy: (proxyId, { proveMs }) => policies.push(`${proxyId} ${proveMs}`) });
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => policies.length === 1);
		one.setConfig(proxyConfig(resourceSet(cluster, { a: "1" }), policySet(2)));
		await envoy.until(() => policies.length === 2);
		assert.deepEqual(policies, ["sidecar~1 1", "sidecar~1 2"]);
		assert.deepEqual(new Set(envoy.received.map(({ typeUrl }) => typeUrl)), new Set([cluster]));
	});

	it("refuses a node id that is none of its machine's", async () => {
		const one = await control(resourceSet(cluster, { a: "1" }));
		await start([one], { admit: (nodeId) => nodeId === "sidecar~mine" });
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~other") });
		assert.deepEqual(await envoy.closed, { grpcStatus: 7, because: "sidecar~other is none of this machine's proxies" });
		assert.deepEqual(one.connected, []);
	});

	it("gives a proxy that starts without any control plane what was accepted last, and then what the next one has", async () => {
		const before = await control(resourceSet(cluster, { a: "1", b: "1" }), resourceSet(endpoints, { a: "1" }));
		const { port } = before;
		await before.server.close();
		const cacheSocket = join(directory, "cache.sock");
		const cache = await startTestControl(
			proxyConfig(resourceSet(cluster, { a: "1", b: "1" }), resourceSet(endpoints, { a: "1" })),
			{ listen: { socketPath: cacheSocket } },
		);
		controls = [cache];
		await start([before], {
			backoffMs: { first: 10, most: 40 },
			cache: { socketPath: cacheSocket, has: () => true, onAccepted: () => {} },
			onNameTable: () => {},
		});
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => size(envoy, cluster) === 2);
		assert.equal(relay?.status()[0]?.fromCache, true);
		envoy.ask({ typeUrl: endpoints, subscribe: ["a"] });
		await envoy.until(() => size(envoy, endpoints) === 1);
		envoy.received.length = 0;
		const again = await startTestControl(
			proxyConfig(resourceSet(cluster, { a: "2", b: "1" }), resourceSet(endpoints, { a: "1" })),
			{ listen: { host: "127.0.0.1", port } },
		);
		controls.push(again);
		await envoy.until(() => envoy.received.length > 0);
		await envoy.until(() => again.server.sessions()[0]?.types.every(({ sync }) => sync === "SYNCED") === true);
		assert.deepEqual(
			envoy.received
				.filter(({ typeUrl }) => typeUrl === cluster)
				.map(({ resources }) => resources.map(({ name }) => name)),
			[["a"]],
		);
		assert.equal(relay?.status()[0]?.fromCache, undefined);
	});

	it("reports what a proxy accepts, and whether it had anything of the kind before", async () => {
		const one = await control(resourceSet(cluster, { a: "1" }));
		const accepted: [string, boolean, number][] = [];
		await start([one], {
			cache: {
				socketPath: join(directory, "none.sock"),
				has: () => false,
				onAccepted: (proxyId, { isFirst, bytes }) => accepted.push([proxyId, isFirst, bytes.length]),
			},
		});
		const envoy = client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => accepted.length === 1);
		one.setConfig(proxyConfig(resourceSet(cluster, { a: "2" })));
		await envoy.until(() => accepted.length === 2);
		assert.deepEqual(
			accepted.map(([proxyId, isFirst]) => [proxyId, isFirst]),
			[
				["sidecar~1", true],
				["sidecar~1", false],
			],
		);
		assert.ok(accepted.every(([, , bytes]) => bytes > 10));
	});

	it("asks a control plane that refuses a proxy less and less often", async () => {
		const one = await control(resourceSet(cluster, { a: "1" }));
		await start([one]);
		client().ask({ typeUrl: cluster, node: encodedNode("stranger~1") });
		await new Promise((resolve) => setTimeout(resolve, 500));
		const { losses = 0, lastLoss } = relay?.status()[0] ?? {};
		assert.match(lastLoss ?? "", /stranger/);
		assert.ok(losses > 1 && losses < 8, `${losses} attempts`);
	});

	it("answers garbage with a status and goes on serving others", async () => {
		const one = await control(resourceSet(cluster, { a: "1" }));
		await start([one]);
		const bad = client();
		bad.stream.send(new Uint8Array([0xff, 0xff, 0xff, 0xff]));
		assert.equal((await bad.closed).grpcStatus, 3);
		const good = client();
		good.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await good.until(() => size(good, cluster) === 1);
	});
});

import assert from "node:assert/strict";
import { createServer as createTcpServer } from "node:net";
import { join } from "node:path";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { encodedFromBytes, resourcePart } from "../../envoy/encode-resource.ts";
import { defaultHotSwitchPolicy } from "../../hotswitch/hot-switch-policy.ts";
import {
	encodeHotSwitchPolicy,
	hotSwitchPolicyName,
	hotSwitchPolicyTypeUrl,
} from "../../hotswitch/hot-switch-policy-codec.ts";
import { type ResourceSet, typeUrls } from "../resource.ts";
import { proxyConfig, resource, resourceSet } from "../session.testing.ts";
import { encodedNode } from "./ads-client.testing.ts";
import { heldBy, RelayRig } from "./relay-rig.testing.ts";

const { cluster, endpoints, nameTable } = typeUrls;

describe("the relay", () => {
	const rig = new RelayRig();

	it("passes requests, responses and answers through", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1", b: "1" }), resourceSet(endpoints, { a: "1" }));
		await rig.start([one]);
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		envoy.ask({ typeUrl: endpoints, subscribe: ["a"] });
		await envoy.until(() => heldBy(envoy, cluster) === 2 && heldBy(envoy, endpoints) === 1);
		one.setConfig(proxyConfig(resourceSet(cluster, { a: "2", b: "1" }), resourceSet(endpoints, { a: "1" })));
		await envoy.until(() => one.server.sessions()[0]?.types.every(({ sync }) => sync === "SYNCED") === true);
		assert.equal(envoy.held.get(cluster)?.get("a"), resource(cluster, "a", "2").version);
		assert.deepEqual(rig.relay?.status(), [{ nodeId: "sidecar~1", losses: 0, upstream: `127.0.0.1:${one.port}` }]);
	});

	it("goes to the next control plane, tells it what the proxy has, and gets only what differs", async () => {
		const contents = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`c${index}`, "1".repeat(200)]));
		const one = await rig.control(resourceSet(cluster, contents), resourceSet(endpoints, { c1: "1" }));
		const two = await rig.control(resourceSet(cluster, { ...contents, c7: "2" }), resourceSet(endpoints, { c1: "1" }));
		await rig.start([one, two]);
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		envoy.ask({ typeUrl: endpoints, subscribe: ["c1"] });
		await envoy.until(() => heldBy(envoy, cluster) === 500 && heldBy(envoy, endpoints) === 1);
		await envoy.until(() => one.server.sessions()[0]?.types.every(({ sync }) => sync === "SYNCED") === true);
		envoy.received.length = 0;
		await rig.end(one);
		await envoy.until(() => envoy.received.length > 0);
		await envoy.until(() => two.server.sessions()[0]?.types.every(({ sync }) => sync === "SYNCED") === true);
		assert.deepEqual(
			envoy.received.map(({ resources }) => resources.map(({ name }) => name)),
			[["c7"]],
		);
		assert.equal(rig.relay?.status()[0]?.losses, 1);
	});

	it("comes back as soon as a silent control plane answers, however long it would have waited", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		await rig.start([one], { backoffMs: { first: 20_000, most: 20_000 } });
		const { port } = one;
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => heldBy(envoy, cluster) === 1);
		await rig.end(one);
		await envoy.until(() => rig.relay?.status()[0]?.upstream === undefined);
		// So that it was seen to be silent.
		await sleep(400);
		const startedMs = performance.now();
		await rig.controlAt({ host: "127.0.0.1", port }, resourceSet(cluster, { a: "2" }));
		await envoy.until(() => envoy.held.get(cluster)?.get("a") === resource(cluster, "a", "2").version);
		assert.ok(performance.now() - startedMs < 3_000, `took ${performance.now() - startedMs} ms`);
	});

	it("keeps the proxy's stream open while no control plane lives, and remembers what it asks for meanwhile", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		await rig.start([one], { backoffMs: { first: 10, most: 40 } });
		const { port } = one;
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => heldBy(envoy, cluster) === 1);
		await rig.end(one);
		await envoy.until(() => rig.relay?.status()[0]?.upstream === undefined);
		envoy.ask({ typeUrl: endpoints, subscribe: ["a"] });
		await rig.controlAt(
			{ host: "127.0.0.1", port },
			resourceSet(cluster, { a: "1" }),
			resourceSet(endpoints, { a: "1" }),
		);
		await envoy.until(() => heldBy(envoy, endpoints) === 1);
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
		await rig.start([{ port }], { backoffMs: { first: 10, most: 40 } });
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => rig.relay?.status()[0]?.lastLoss?.includes("ECONNREFUSED") === true);
		await rig.controlAt({ host: "127.0.0.1", port }, resourceSet(cluster, { a: "1" }));
		await envoy.until(() => heldBy(envoy, cluster) === 1);
	});

	it("leaves a control plane that hangs", async () => {
		const hung = createTcpServer((socket) => socket.on("error", () => {}));
		await new Promise<void>((resolve) => hung.listen(0, "127.0.0.1", resolve));
		const address = hung.address();
		const two = await rig.control(resourceSet(cluster, { a: "1" }));
		const port = typeof address === "object" && address ? address.port : 0;
		await rig.start([{ port }, two], { liveness: { connectTimeoutMs: 200, pingEveryMs: 50, pingTimeoutMs: 100 } });
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => heldBy(envoy, cluster) === 1);
		assert.match(rig.relay?.status()[0]?.lastLoss ?? "", /ping/);
		hung.close();
	});

	it("asks the next control plane anew for what a proxy refused or had not answered", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1", b: "1" }));
		const two = await rig.control(resourceSet(cluster, { a: "1" }));
		await rig.start([one, two]);
		const envoy = rig.client();
		envoy.answers = false;
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => heldBy(envoy, cluster) === 2);
		await rig.end(one);
		envoy.answers = true;
		// Whether it took the response of the first is not known: `a` is said again, `b` is taken away.
		await envoy.until(() => heldBy(envoy, cluster) === 1);
		assert.deepEqual([...(envoy.held.get(cluster)?.keys() ?? [])], ["a"]);
	});

	it("does not take the answer to an old control plane's response for one to the new", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		const two = await rig.control(resourceSet(cluster, { a: "2" }));
		await rig.start([one, two]);
		const envoy = rig.client();
		envoy.answers = false;
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => envoy.received.length === 1);
		await rig.end(one);
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
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		await rig.start([one]);
		const [before, after] = [rig.client(), rig.client()];
		before.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await before.until(() => heldBy(before, cluster) === 1);
		after.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await after.until(() => heldBy(after, cluster) === 1);
		// The control plane has let go of the first; neither asks again and again.
		await sleep(300);
		const [status, ...others] = rig.relay?.status() ?? [];
		assert.deepEqual([status?.losses, status?.upstream, others], [0, `127.0.0.1:${one.port}`, []]);
		after.stream.close();
		one.setConfig(proxyConfig(resourceSet(cluster, { a: "2" })));
		await before.until(() => before.held.get(cluster)?.get("a") === resource(cluster, "a", "2").version);
	});

	it("asks for the name table on the proxy's behalf and hands it over", async () => {
		const tables: string[] = [];
		const one = await rig.control(resourceSet(cluster, { a: "1" }), resourceSet(nameTable, { all: "hosts" }));
		await rig.start([one], {
			onNameTable: (proxyId, bytes) => tables.push(`${proxyId} ${new TextDecoder().decode(bytes)}`),
		});
		const envoy = rig.client();
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
		const one = await rig.control(resourceSet(cluster, { a: "1" }), policySet(1));
		await rig.start([one], { onHotSwitchPolicy: (proxyId, { proveMs }) => policies.push(`${proxyId} ${proveMs}`) });
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => policies.length === 1);
		one.setConfig(proxyConfig(resourceSet(cluster, { a: "1" }), policySet(2)));
		await envoy.until(() => policies.length === 2);
		assert.deepEqual(policies, ["sidecar~1 1", "sidecar~1 2"]);
		assert.deepEqual(new Set(envoy.received.map(({ typeUrl }) => typeUrl)), new Set([cluster]));
	});

	it("refuses a node id that is none of its machine's", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		await rig.start([one], { admit: (nodeId) => nodeId === "sidecar~mine" });
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~other") });
		assert.deepEqual(await envoy.closed, { grpcStatus: 7, because: "sidecar~other is none of this machine's proxies" });
		assert.deepEqual(one.connected, []);
	});

	it("gives a proxy that starts without any control plane what was accepted last, and then what the next one has", async () => {
		const before = await rig.control(resourceSet(cluster, { a: "1", b: "1" }), resourceSet(endpoints, { a: "1" }));
		const { port } = before;
		await rig.end(before);
		const cacheSocket = join(rig.directory, "cache.sock");
		await rig.controlAt(
			{ socketPath: cacheSocket },
			resourceSet(cluster, { a: "1", b: "1" }),
			resourceSet(endpoints, { a: "1" }),
		);
		await rig.start([before], {
			backoffMs: { first: 10, most: 40 },
			cache: { socketPath: cacheSocket, has: () => true, onAccepted: () => {} },
			onNameTable: () => {},
		});
		const envoy = rig.client();
		envoy.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await envoy.until(() => heldBy(envoy, cluster) === 2);
		assert.equal(rig.relay?.status()[0]?.fromCache, true);
		envoy.ask({ typeUrl: endpoints, subscribe: ["a"] });
		await envoy.until(() => heldBy(envoy, endpoints) === 1);
		envoy.received.length = 0;
		const again = await rig.controlAt(
			{ host: "127.0.0.1", port },
			resourceSet(cluster, { a: "2", b: "1" }),
			resourceSet(endpoints, { a: "1" }),
		);
		await envoy.until(() => envoy.received.length > 0);
		await envoy.until(() => again.server.sessions()[0]?.types.every(({ sync }) => sync === "SYNCED") === true);
		assert.deepEqual(
			envoy.received
				.filter(({ typeUrl }) => typeUrl === cluster)
				.map(({ resources }) => resources.map(({ name }) => name)),
			[["a"]],
		);
		assert.equal(rig.relay?.status()[0]?.fromCache, undefined);
	});

	it("reports what a proxy accepts, and whether it had anything of the kind before", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		const accepted: [string, boolean, number][] = [];
		await rig.start([one], {
			cache: {
				socketPath: join(rig.directory, "none.sock"),
				has: () => false,
				onAccepted: (proxyId, { isFirst, bytes }) => accepted.push([proxyId, isFirst, bytes.length]),
			},
		});
		const envoy = rig.client();
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
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		await rig.start([one]);
		rig.client().ask({ typeUrl: cluster, node: encodedNode("stranger~1") });
		await new Promise((resolve) => setTimeout(resolve, 500));
		const { losses = 0, lastLoss } = rig.relay?.status()[0] ?? {};
		assert.match(lastLoss ?? "", /stranger/);
		assert.ok(losses > 1 && losses < 8, `${losses} attempts`);
	});

	it("answers garbage with a status and goes on serving others", async () => {
		const one = await rig.control(resourceSet(cluster, { a: "1" }));
		await rig.start([one]);
		const bad = rig.client();
		bad.stream.send(new Uint8Array([0xff, 0xff, 0xff, 0xff]));
		assert.equal((await bad.closed).grpcStatus, 3);
		const good = rig.client();
		good.ask({ typeUrl: cluster, node: encodedNode("sidecar~1") });
		await good.until(() => heldBy(good, cluster) === 1);
	});
});

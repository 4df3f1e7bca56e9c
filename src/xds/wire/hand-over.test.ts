import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, it } from "node:test";
import { realClock } from "../../runtime/clock.ts";
import { silentLog } from "../../runtime/log.ts";
import { typeUrls } from "../resource.ts";
import { proxyConfig, resourceSet } from "../session.testing.ts";
import { encodedNode, startTestControl, TestClient, type TestControl } from "./ads-client.testing.ts";
import { startXdsRelay } from "./xds-relay.ts";

const { cluster } = typeUrls;
const config = proxyConfig(resourceSet(cluster, { a: "1" }));

describe("a control plane that hands over", () => {
	let controls: TestControl[] = [];
	let clients: TestClient[] = [];
	const start = async (): Promise<TestControl> => {
		const started = await startTestControl(config);
		controls.push(started);
		return started;
	};
	const connect = (to: ConstructorParameters<typeof TestClient>[0], count: number): readonly TestClient[] => {
		const made = Array.from({ length: count }, (_, index) => {
			const client = new TestClient(to);
			client.ask({ typeUrl: cluster, node: encodedNode(`sidecar~${index}`) });
			return client;
		});
		clients.push(...made);
		return made;
	};
	const served = (client: TestClient) => client.until(() => client.held.get(cluster)?.size === 1);

	afterEach(async () => {
		for (const { stream } of clients) stream.close();
		for (const { server } of controls) await server.close();
		controls = [];
		clients = [];
	});

	it("lets a storm of streams in one after the other, and all of them", async () => {
		const { port, connected } = await start();
		const storm = connect({ host: "127.0.0.1", port }, 120);
		await Promise.all(storm.map(served));
		assert.equal(connected.length, 120);
	});

	it("sends its streams away a few at a time, and lets no new one in", async () => {
		const { port, server } = await start();
		const all = connect({ host: "127.0.0.1", port }, 40);
		await Promise.all(all.map(served));
		const startMs = performance.now();
		const ends: number[] = [];
		for (const client of all) void client.closed.then(() => ends.push(performance.now() - startMs));
		await server.leave(400);
		await Promise.all(all.map(({ closed }) => closed));
		const early = ends.filter((ms) => ms < 200).length;
		assert.ok(early > 2 && early < 38, `${early} of 40 were sent away in the first half`);
		const [late] = connect({ host: "127.0.0.1", port }, 1);
		assert.match(JSON.stringify(await late?.closed), /hands over/);
	});

	it("loses no proxy: each is served by another one, and its own stream stands", async () => {
		const [one, two] = [await start(), await start()];
		const directory = mkdtempSync(join(tmpdir(), "keepmesh-hand-over-"));
		const socketPath = join(directory, "xds.sock");
		const upstreams = [one, two].map(({ port }) => ({ host: "127.0.0.1", port }));
		const relay = await startXdsRelay({ socketPath, upstreams }, { clock: realClock, log: silentLog, random: () => 0 });
		const envoys = connect({ socketPath }, 10);
		await Promise.all(envoys.map(served));
		await one.server.leave(200);
		const [first] = envoys;
		await first?.until(() => relay.status().every(({ upstream }) => upstream === `127.0.0.1:${two.port}`));
		assert.equal(relay.status().length, 10);
		for (const { stream } of envoys) stream.close();
		await relay.close();
		rmSync(directory, { recursive: true, force: true });
	});
});

import assert from "node:assert/strict";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { realClock } from "../../runtime/clock.ts";
import { watchUpstreams } from "./upstream-watch.ts";

const host = "127.0.0.1";

async function listen(port = 0) {
	const server = createServer((socket) => socket.destroy()).listen(port, host);
	await once(server, "listening");
	return { server, port: (server.address() as AddressInfo).port };
}

describe("a watch of control planes", () => {
	it("tells once that one answers after all were silent", async () => {
		const first = await listen();
		first.server.close();
		await once(first.server, "close");
		let reached = 0;
		let isNeeded = true;
		const watch = watchUpstreams({
			upstreams: () => (isNeeded ? [{ host, port: first.port }] : []),
			everyMs: 20,
			clock: realClock,
			onReached: () => reached++,
		});
		watch.start();
		await sleep(100);
		assert.equal(reached, 0);
		const { server } = await listen(first.port);
		for (let tries = 0; reached === 0 && tries < 100; tries++) await sleep(20);
		await sleep(100);
		assert.equal(reached, 1);
		isNeeded = false;
		watch.stop();
		server.close();
	});

	it("is no reason to hurry towards one that answered all the time", async () => {
		const { server, port } = await listen();
		let reached = 0;
		let looks = 0;
		const watch = watchUpstreams({
			upstreams: () => (++looks < 10 ? [{ host, port }] : []),
			everyMs: 10,
			clock: realClock,
			onReached: () => reached++,
		});
		watch.start();
		for (let tries = 0; looks < 10 && tries < 200; tries++) await sleep(10);
		assert.deepEqual([looks, reached], [10, 0]);
		watch.stop();
		server.close();
	});
});

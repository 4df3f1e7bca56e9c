import assert from "node:assert/strict";
import { createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { openAdsStream } from "./xds-client.ts";

describe("an ADS client", () => {
	it("asks no ping of a connection that it has given up but whose end is not told yet", async (test) => {
		const server = createServer();
		test.after(() => server.close());
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		const clock = new VirtualClock();
		let end = (): void => {};
		const ended = new Promise<void>((resolve) => {
			end = resolve;
		});
		const { port } = server.address() as AddressInfo;
		const stream = openAdsStream(
			{
				to: { host: "127.0.0.1", port },
				liveness: { clock, connectTimeoutMs: 1_000_000, pingEveryMs: 50, pingTimeoutMs: 100 },
			},
			{ message: () => {}, closed: () => end() },
		);
		await new Promise<void>((resolve) => server.once("session", () => resolve()));
		for (let turn = 0; turn < 20; turn++) await nextTurn();
		stream.close();
		// Throws when it pings.
		clock.advance(60);
		await ended;
		assert.equal(clock.armed, 0);
	});
});

import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { type ClientHttp2Session, createServer } from "node:http2";
import type { AddressInfo } from "node:net";
import { describe, it } from "node:test";
import { setImmediate as nextTurn } from "node:timers/promises";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { openAdsStream, watchLiveness } from "./xds-client.ts";

/** A connection as far as its liveness goes: its machine may take it, then its process. */
class FakeSession extends EventEmitter {
	readonly socket = new EventEmitter();
	readonly pings: (() => void)[] = [];
	destroyed = false;
	destroy(): void {
		this.destroyed = true;
	}
	ping(answered: () => void): void {
		this.pings.push(answered);
	}
}

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

	const watched = () => {
		const clock = new VirtualClock();
		const session = new FakeSession();
		const said: string[] = [];
		const liveness = { clock, connectTimeoutMs: 2_000, reachTimeoutMs: 300, pingEveryMs: 2_000, pingTimeoutMs: 2_000 };
		const fail = ({ message }: Error): number => said.push(message);
		const doubt = watchLiveness(session as unknown as ClientHttp2Session, liveness, fail);
		return { clock, doubt, session, said };
	};

	it("leaves a machine that does not take its connection soon, and waits longer for a process that is slow", () => {
		const gone = watched();
		gone.clock.advance(330);
		assert.deepEqual([gone.session.destroyed, gone.said], [true, ["no connection within 300 ms"]]);
		const slow = watched();
		slow.clock.advance(290);
		slow.session.socket.emit("connect");
		slow.clock.advance(1_690);
		assert.equal(slow.session.destroyed, false);
		slow.clock.advance(60);
		assert.deepEqual([slow.session.destroyed, slow.said], [true, ["no connection within 2000 ms"]]);
	});

	it("gives one that is doubted again and again no more time to answer, and none that has answered any less", () => {
		const { clock, doubt, session } = watched();
		session.emit("connect");
		for (let time = 0; time < 4; time++) {
			doubt(500);
			clock.advance(100);
		}
		assert.equal(session.pings.length, 1);
		session.pings[0]?.();
		clock.advance(1_000);
		assert.equal(session.destroyed, false);
		doubt(500);
		clock.advance(400);
		doubt(500);
		clock.advance(130);
		assert.equal(session.destroyed, true);
	});

	it("looks at what came while it stood still before it gives anybody up", () => {
		const { clock, session } = watched();
		clock.advance(310);
		session.socket.emit("connect");
		clock.advance(1_000);
		assert.equal(session.destroyed, false);
	});
});

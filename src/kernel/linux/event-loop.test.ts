import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { SOCK_CLOEXEC, SOCK_NONBLOCK } from "./abi/socket.ts";
import { BlockingLoop } from "./blocking-loop.ts";
import { EventLoop } from "./event-loop.ts";
import { libc } from "./libc.ts";

const one = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
const openEventfd = () => libc.eventfd(0, SOCK_NONBLOCK | SOCK_CLOEXEC);
const spin = (us: number, nowUs: () => number) => {
	const end = nowUs() + us;
	while (nowUs() < end);
};

describe("the loop on Node's event loop", () => {
	const errors: unknown[] = [];
	let loop: EventLoop;
	before(() => {
		loop = new EventLoop((error) => errors.push(error));
	});
	after(() => loop.close());
	const at = (us: number) =>
		new Promise<readonly [number, number]>((resolve) => {
			loop.at(loop.nowUs() + us, (nowUs, dueUs) => resolve([nowUs, dueUs]));
		});

	it("runs timers never early, in order, and not when cancelled", async () => {
		const order: string[] = [];
		loop.at(loop.nowUs() + 3000, () => order.push("later"));
		const cancel = loop.at(loop.nowUs() + 2000, () => order.push("cancelled"));
		loop.at(loop.nowUs() + 1000, () => order.push("sooner"));
		cancel();
		const [nowUs, dueUs] = await at(4000);
		assert.ok(nowUs >= dueUs);
		assert.deepEqual(order, ["sooner", "later"]);
	});

	it("runs what is due already at once", async () => {
		const before = loop.nowUs();
		const [nowUs] = await at(-1000);
		assert.ok(nowUs - before < 100_000);
	});

	it("lets promises go on after a callback, without another event", async () => {
		const settledUs = await new Promise<number>((resolve) => {
			loop.at(loop.nowUs() + 1000, (_, dueUs) => {
				Promise.resolve().then(() => resolve(loop.nowUs() - dueUs));
			});
			// Something else that ends the wait where promises do not.
			setTimeout(() => resolve(Number.POSITIVE_INFINITY), 1000);
		});
		assert.ok(settledUs < 500_000, `after ${settledUs} us`);
	});

	it("goes on after an error of a callback, and tells of it", async () => {
		loop.at(loop.nowUs(), () => {
			throw new Error("of a callback");
		});
		await at(2000);
		// Both may have run in one turn; the error is told in the next.
		await new Promise((turn) => setImmediate(turn));
		assert.deepEqual(errors.splice(0), [new Error("of a callback")]);
	});

	it("goes on watching when nobody keeps the way to cancel", async () => {
		setFlagsFromString("--expose-gc");
		const collectGarbage: () => void = runInNewContext("gc");
		const fd = openEventfd();
		const heard = new Promise<boolean>((resolve) => {
			loop.watchReadable(fd, () => {
				libc.read(fd, Buffer.alloc(8), 8);
				resolve(true);
			});
			setTimeout(() => resolve(false), 1000).unref();
		});
		await at(1000);
		collectGarbage();
		await at(1000);
		libc.write(fd, one, one.length);
		assert.equal(await heard, true);
	});

	it("hears what waits in a socket before it believes a timer that is due as well", async () => {
		const fd = openEventfd();
		const order: string[] = [];
		const cancel = loop.watchReadable(fd, () => {
			if (libc.read(fd, Buffer.alloc(8), 8) > 0) order.push("heard");
		});
		const fired = new Promise<void>((resolve) => {
			loop.at(loop.nowUs() + 1000, () => {
				order.push("timer");
				resolve();
			});
		});
		spin(3000, () => loop.nowUs());
		libc.write(fd, one, one.length);
		await fired;
		assert.deepEqual(order, ["heard", "timer"]);
		cancel();
		libc.close(fd);
	});
});

describe("the closed loop on Node's event loop", () => {
	it("runs nothing, and may be closed, cancelled and armed again", async () => {
		const never = () => assert.fail("nothing runs any more");
		const loop = new EventLoop(never);
		const fd = openEventfd();
		const cancel = loop.watchReadable(fd, never);
		loop.at(loop.nowUs() + 1000, never);
		libc.write(fd, one, one.length);
		loop.close();
		cancel();
		loop.close();
		loop.at(loop.nowUs() + 1000, never);
		libc.close(fd);
		await new Promise((resolve) => setTimeout(resolve, 5));
	});
});

describe("the loop that blocks", () => {
	it("hears what waits in a socket before it believes a timer that is due as well", () => {
		const loop = new BlockingLoop();
		const fd = openEventfd();
		const order: string[] = [];
		loop.watchReadable(fd, () => {
			libc.read(fd, Buffer.alloc(8), 8);
			order.push("heard");
			loop.stop();
		});
		loop.at(loop.nowUs() + 1000, () => order.push("timer"));
		spin(3000, () => loop.nowUs());
		libc.write(fd, one, one.length);
		loop.run();
		assert.deepEqual(order, ["heard", "timer"]);
		libc.close(fd);
	});

	it("returns at the time it was given, having run what was due before", () => {
		const loop = new BlockingLoop();
		const start = loop.nowUs();
		let ran = 0;
		const again = (_: number, dueUs: number) => {
			ran++;
			loop.at(dueUs + 1000, again);
		};
		loop.at(start + 1000, again);
		loop.run(start + 10_500);
		// More when the machine stood still meanwhile: then what is due late is run as well.
		assert.ok(ran >= 10, `${ran}`);
		assert.ok(loop.nowUs() >= start + 10_500);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	defaultProxyHealthConfig as config,
	goodHealth,
	judge,
	type ProxyHealth,
	type ProxyLook,
} from "./proxy-health.ts";

const fine: ProxyLook = {
	workersWaitMs: [0, 0],
	mainWaitMs: 0,
	readiness: { isReady: true, because: "LIVE" },
	megaMisses: new Map(),
};
const notReady = { ...fine, readiness: { isReady: false, because: "DRAINING" } };

/** What was told, look by look. */
function told(...looks: readonly Partial<ProxyLook>[]): readonly unknown[] {
	let health: ProxyHealth = goodHealth;
	return looks.map((look) => {
		const judged = judge(config, health, { ...fine, ...look });
		health = judged.health;
		return judged.verdict?.type ?? judged.remark;
	});
}

describe("the health of a proxy", () => {
	it("is not judged by one answer, and is good again with the first good one", () => {
		assert.deepEqual(told(notReady, fine, notReady, notReady, notReady, fine, fine), [
			undefined,
			undefined,
			undefined,
			"unready",
			undefined,
			"ready",
			undefined,
		]);
	});

	it("is bad when a single worker does not answer, until all have", () => {
		assert.deepEqual(
			told({ workersWaitMs: [0, 1500] }, { workersWaitMs: [0, 2500] }, { workersWaitMs: [300, 0] }, fine),
			[undefined, "unready", undefined, "ready"],
		);
		const { verdict } = judge(config, goodHealth, { ...fine, workersWaitMs: [0, 2500] });
		assert.deepEqual(verdict, {
			type: "unready",
			cause: "stuck",
			because: "a worker thread has not answered for 2.5 s",
		});
	});

	it("is only remarked upon, once, while the main thread is busy: connections are served", () => {
		const [first, ...others] = told({ mainWaitMs: 2500 }, { mainWaitMs: 3500 }, fine, fine);
		assert.match(String(first), /^the main thread has not answered for 2.5 s/);
		assert.deepEqual(others, [undefined, "", undefined]);
	});

	it("is bad when Envoy's watchdog has counted a worker that did not come around, and not for the main thread", () => {
		const missed = (thread: string, count: number) => ({ megaMisses: new Map([[thread, count]]) });
		assert.deepEqual(told(missed("worker_0", 1), missed("worker_0", 1), missed("worker_0", 2)), [
			"unready",
			"ready",
			"unready",
		]);
		assert.deepEqual(told(missed("main_thread", 1)), [undefined]);
	});
});

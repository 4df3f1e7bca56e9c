import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HealthVerdict } from "../hotswitch/proxy-health.ts";
import { silentLog } from "../runtime/log.ts";
import { VirtualClock } from "../runtime/virtual-clock.ts";
import type { ProcessorLook } from "./is-starved.ts";
import { RouterWatch } from "./router-watch.ts";

const stuck: HealthVerdict = { type: "unready", cause: "stuck", because: "a worker thread has not answered for 0.4 s" };

function newWatch(look: (atMs: number) => ProcessorLook | undefined = () => undefined) {
	const clock = new VirtualClock();
	const told: string[] = [];
	let killed = 0;
	let judge: (verdict: HealthVerdict) => void = () => assert.fail("it is not watched");
	const watch = new RouterWatch({
		clock,
		log: silentLog,
		owner: "istio-ingress/gateway",
		proxy: () => assert.fail("a real one"),
		onChange: ({ cause, from, to }) => told.push(`${from} ${to} ${cause}`),
		kill: () => killed++,
		lookAtWorkers: () => look(clock.monotonicMs()),
		watch: (onVerdict) => {
			judge = onVerdict;
			return { close: () => {} };
		},
	});
	const ready = (): void => watch.follow("ready");
	return { clock, told, watch, ready, killed: () => killed, judge: (verdict: HealthVerdict) => judge(verdict) };
}

describe("the watch over a gateway", () => {
	it("says that it serves, that it ended, and that it serves again", () => {
		const { ready, told, watch } = newWatch();
		ready();
		ready();
		watch.ended("ended by SIGKILL");
		watch.follow("waiting");
		watch.ended("ended by SIGKILL");
		ready();
		assert.deepEqual(told, ["sidecar sidecar ready", "sidecar closed exited", "closed sidecar ready"]);
	});

	it("kills one whose workers hang, as soon as a second look shows that they do not want to run", () => {
		const { clock, judge, killed, ready, told } = newWatch();
		ready();
		judge(stuck);
		assert.equal(killed(), 0);
		clock.advance(100);
		assert.deepEqual([killed(), told.at(-1)], [1, "sidecar closed hung"]);
	});

	it("does not blame one for a processor that it does not get", () => {
		const starved = (atMs: number): ProcessorLook => ({
			atMs,
			workers: new Map([["7", { ranMs: 0, waitedMs: atMs, isRunnable: true }]]),
		});
		const { clock, judge, killed, ready, told } = newWatch(starved);
		ready();
		judge(stuck);
		clock.advance(1_000);
		judge({ type: "ready" });
		clock.advance(1_000);
		assert.deepEqual([killed(), told], [0, ["sidecar sidecar ready", "sidecar sidecar ready"]]);
	});

	it("takes its own word that it is not ready", () => {
		const { judge, killed, ready, told } = newWatch();
		ready();
		judge({ type: "unready", because: "its readiness says: DRAINING" });
		judge({ type: "ready" });
		assert.deepEqual([killed(), told.slice(1)], [0, ["sidecar closed unready", "closed sidecar ready"]]);
	});

	it("has no news of one that leaves", () => {
		const { ready, told, watch } = newWatch();
		ready();
		watch.follow("draining");
		watch.ended("ended");
		assert.deepEqual(told, ["sidecar sidecar ready"]);
	});
});

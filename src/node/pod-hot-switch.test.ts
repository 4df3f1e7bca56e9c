import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { defaultHotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import type { PodPath } from "../kernel/pod-path.ts";
import { silentLog } from "../runtime/log.ts";
import { VirtualClock } from "../runtime/virtual-clock.ts";
import { hotSwitchMetrics } from "./hot-switch-metrics.ts";
import type { ProcessorLook } from "./is-starved.ts";
import { PodHotSwitch } from "./pod-hot-switch.ts";

const directory = mkdtempSync(join(tmpdir(), "kmn-switch-"));
after(() => rmSync(directory, { recursive: true }));
let files = 0;

function podWithFakeKernel(keptFile = join(directory, `${files++}.json`)) {
	const clock = new VirtualClock();
	const done: string[] = [];
	let remainingMs: number | undefined = 60;
	let look: ProcessorLook | undefined;
	const path: PodPath = {
		set: ({ sidecar, spare, direct }) => {
			done.push(`set ${[sidecar && "sidecar", spare && "spare", direct && "direct"].filter(Boolean).join("+")}`);
			return { ok: true };
		},
		read: () => undefined,
		leaseRemainingMs: () => remainingMs,
		forgetFlows: () => done.push("forget"),
		close: () => done.push("close"),
	};
	const pod = new PodHotSwitch("default/app", {
		clock,
		log: silentLog,
		policy: { ...defaultHotSwitchPolicy, permitsPlaintext: true },
		keptFile,
		openPath: () => ({ ok: true, value: path }),
		killProcess: () => done.push("kill"),
		lookAtWorkers: () => look,
	});
	return {
		pod,
		setWorker: (ranMs: number, isRunnable: boolean) => {
			look = { atMs: clock.monotonicMs(), workers: new Map([["7", { ranMs, waitedMs: 0, isRunnable }]]) };
		},
		clock,
		setLease: (ms: number | undefined) => {
			remainingMs = ms;
		},
		taken: () => done.splice(0),
	};
}

describe("a pod's hot-switch", () => {
	it("has a bypass of an earlier agent also when it hears of its policy before it looks", () => {
		const keptFile = join(directory, "bypassed.json");
		const { pod: earlier } = podWithFakeKernel(keptFile);
		earlier.happens({ type: "processStarted" });
		earlier.happens({ type: "ready" });
		assert.deepEqual(earlier.requestBypass("ann", "upgrade"), { ok: true });
		const { pod } = podWithFakeKernel(keptFile);
		pod.follow({ ...defaultHotSwitchPolicy, permitsPlaintext: true, proveMs: 700 });
		pod.adopt(true, undefined);
		assert.equal(pod.bypass?.by, "ann");
	});

	it("sets the path that a new table does not know yet, and what follows at once", () => {
		const { pod, taken } = podWithFakeKernel();
		pod.happens({ type: "processStarted" });
		pod.happens({ type: "ready" });
		assert.deepEqual(taken(), []);
		pod.tableApplied();
		assert.deepEqual(taken(), ["set sidecar+direct"]);
		pod.happens({ type: "processExited", because: "ended by SIGKILL" });
		assert.deepEqual(taken(), ["set direct", "forget"]);
	});

	it("never opens the way past the proxies once it is told not to, and keeps the lease that runs", () => {
		const { pod, taken } = podWithFakeKernel();
		pod.happens({ type: "processStarted" });
		pod.happens({ type: "ready" });
		pod.tableApplied();
		pod.follow({ ...defaultHotSwitchPolicy, failOpen: "never", permitsPlaintext: true, leaseMs: 10, heartbeatMs: 5 });
		assert.deepEqual([pod.policy.leaseMs, pod.policy.heartbeatMs], [90, 30]);
		assert.equal(taken().at(-1), "set sidecar");
		pod.happens({ type: "processExited", because: "ended by SIGKILL" });
		assert.equal(pod.state.servingStep, "closed");
		assert.ok(!taken().join().includes("direct"));
	});

	it("kills a proxy whose lease has been over for too long", () => {
		const { pod, clock, setLease, taken } = podWithFakeKernel();
		pod.happens({ type: "adopted" });
		pod.tableApplied();
		pod.readLease();
		setLease(undefined);
		pod.readLease();
		taken();
		clock.advance(50);
		assert.deepEqual(taken(), ["set direct", "kill"]);
	});

	it("does not kill a proxy that would give a sign of life, but gets no processor", () => {
		const { pod, clock, setLease, setWorker, taken } = podWithFakeKernel();
		pod.happens({ type: "adopted" });
		pod.tableApplied();
		pod.readLease();
		setLease(undefined);
		setWorker(500, true);
		pod.readLease();
		taken();
		for (let look = 0; look < 3; look++) {
			clock.advance(39);
			setWorker(500 + look, true);
			clock.advance(1);
		}
		assert.deepEqual(taken(), []);
		clock.advance(39);
		setWorker(502, false);
		clock.advance(1);
		assert.deepEqual(taken(), ["set direct", "kill"]);
	});

	it("does not take its own pause for the proxy's: it looks again before it kills", () => {
		const { pod, clock, setLease, taken } = podWithFakeKernel();
		pod.happens({ type: "adopted" });
		pod.tableApplied();
		pod.readLease();
		setLease(undefined);
		pod.readLease();
		setLease(40);
		taken();
		clock.advance(1000);
		assert.deepEqual(taken(), []);
	});

	it("kills a proxy that hung before this agent began", () => {
		const { pod, clock, setLease, taken } = podWithFakeKernel();
		setLease(undefined);
		pod.happens({ type: "adopted" });
		pod.tableApplied();
		taken();
		pod.readLease();
		clock.advance(50);
		assert.deepEqual(taken(), ["set direct", "kill"]);
	});

	it("counts its switches", () => {
		const { pod } = podWithFakeKernel();
		pod.happens({ type: "adopted" });
		pod.requestBypass("ann", "upgrade");
		const text = hotSwitchMetrics([pod]);
		assert.match(text, /^keepmesh_hotswitch_step\{pod="default\/app",step="direct"\} 1$/m);
		assert.match(text, /^keepmesh_hotswitch_step\{pod="default\/app",step="sidecar"\} 0$/m);
		assert.match(
			text,
			/^keepmesh_hotswitch_switches_total\{pod="default\/app",from="sidecar",to="direct",because="bypass"\} 1$/m,
		);
	});

	it("leaves the path as it is when the agent ends, and does nothing any more", () => {
		const { pod, clock, taken } = podWithFakeKernel();
		pod.happens({ type: "adopted" });
		pod.tableApplied();
		taken();
		pod.close();
		pod.happens({ type: "processExited", because: "" });
		clock.advance(1000);
		assert.deepEqual(taken(), ["close"]);
	});
});

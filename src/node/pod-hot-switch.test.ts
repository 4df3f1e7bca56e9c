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
		vouch: (forMs) => {
			done.push(`vouch ${forMs}`);
			remainingMs = forMs;
			return { ok: true };
		},
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

	it("says the same time of a bypass each time, also when its two clocks are not read at once", () => {
		const { clock, pod } = podWithFakeKernel();
		const wallMs = clock.wallMs.bind(clock);
		let aheadMs = 0;
		clock.wallMs = () => wallMs() + aheadMs;
		pod.happens({ type: "processStarted" });
		pod.happens({ type: "ready" });
		pod.requestBypass("ann", "upgrade");
		const saidMs = pod.bypass?.atMs;
		aheadMs = 1.4;
		assert.equal(pod.bypass?.atMs, saidMs);
		aheadMs = 60_000;
		assert.equal(pod.bypass?.atMs, (saidMs ?? 0) + 60_000);
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
		setWorker(500, false);
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

	it("leaves connections at a silent sidecar for as long as that only waits for a processor", () => {
		const { pod, clock, setLease, setWorker, taken } = podWithFakeKernel();
		pod.happens({ type: "adopted" });
		pod.tableApplied();
		pod.readLease();
		taken();
		const silentAgain = (ranMs: number, isRunnable: boolean): readonly string[] => {
			setLease(undefined);
			setWorker(ranMs, isRunnable);
			pod.readLease();
			return taken();
		};
		assert.deepEqual(silentAgain(500, true), ["vouch 250"]);
		clock.advance(260);
		assert.deepEqual(silentAgain(520, true), ["vouch 250"], "it had less than its share");
		assert.equal(pod.state.servingStep, "sidecar");
		clock.advance(260);
		assert.deepEqual(silentAgain(780, true), [], "it ran all the time and showed no sign of life");
		assert.equal(pod.state.servingStep, "direct");
		assert.match(hotSwitchMetrics([pod]), /^keepmesh_hotswitch_vouched_total\{pod="default\/app"\} 2$/m);
	});

	it("does not vouch for a sidecar that would not run", () => {
		const { pod, setLease, setWorker, taken } = podWithFakeKernel();
		pod.happens({ type: "adopted" });
		pod.tableApplied();
		pod.readLease();
		taken();
		setLease(undefined);
		setWorker(500, false);
		pod.readLease();
		assert.deepEqual([taken(), pod.state.servingStep], [[], "direct"]);
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

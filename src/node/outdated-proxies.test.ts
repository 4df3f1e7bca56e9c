import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import { silentLog } from "../runtime/log.ts";
import { VirtualClock } from "../runtime/virtual-clock.ts";
import { OutdatedProxies } from "./outdated-proxies.ts";
import { whyOutdated } from "./why-outdated.ts";

interface FakePod {
	outdated: string | undefined;
	drains: boolean;
	fails: boolean;
	readonly asked: string[];
}

describe("Envoys that are not as one that starts now would be", () => {
	function begin(count: number) {
		const clock = new VirtualClock();
		const pods = Array.from(
			{ length: count },
			(): FakePod => ({ outdated: "new", drains: false, fails: false, asked: [] }),
		);
		const supervisors = pods.map((pod, index) => ({
			pod: { uid: String(index) },
			state: { phase: "ready" },
			proxies: {
				get handover() {
					return { phase: pod.drains ? "draining" : "idle" };
				},
				whyOutdated: () => pod.outdated,
			},
			replace: async (why: string) => {
				pod.asked.push(why);
				if (pod.fails) return { ok: false, because: "it crashed" };
				pod.outdated = undefined;
				pod.drains = true;
				return { ok: true, because: why };
			},
		}));
		type Deps = ConstructorParameters<typeof OutdatedProxies>[0];
		const all = supervisors as unknown as ReturnType<Deps["supervisors"]>;
		const outdated = new OutdatedProxies({ clock, log: silentLog, supervisors: () => all, maxDraining: 2 });
		outdated.start();
		const pass = async (ms: number) => {
			clock.advance(ms);
			for (let turns = 0; turns < 20; turns++) await turn();
		};
		return { pods, pass };
	}

	it("are replaced, a few at a time, and the others when those have ended", async () => {
		const { pods, pass } = begin(3);
		await pass(10_000);
		assert.deepEqual(
			pods.map(({ asked }) => asked.length),
			[1, 1, 0],
		);
		await pass(10_000);
		assert.deepEqual(
			pods.map(({ asked }) => asked.length),
			[1, 1, 0],
		);
		for (const pod of pods) pod.drains = false;
		await pass(10_000);
		assert.deepEqual(
			pods.map(({ asked }) => asked),
			[["new"], ["new"], ["new"]],
		);
	});

	it("are left alone for a while when the new one failed, unless something else changes", async () => {
		const { pods, pass } = begin(1);
		const [pod] = pods;
		assert.ok(pod);
		pod.fails = true;
		for (let look = 0; look < 5; look++) await pass(10_000);
		assert.deepEqual(pod.asked, ["new"]);
		pod.outdated = "newer";
		await pass(10_000);
		assert.deepEqual(pod.asked, ["new", "newer"]);
		await pass(600_000);
		await pass(10_000);
		assert.deepEqual(pod.asked, ["new", "newer", "newer"]);
	});

	describe("are told", () => {
		const directory = mkdtempSync(join(tmpdir(), "outdated-"));
		after(() => rmSync(directory, { recursive: true }));
		const bootstrapFile = join(directory, "bootstrap.json");
		writeFileSync(bootstrapFile, '{ "a": 1 }');
		const own = { pid: process.pid, envoy: process.execPath, bootstrapFile, bootstrap: { a: 1 } };

		it("by what they were started with", () => {
			assert.equal(whyOutdated(own), undefined);
			assert.match(whyOutdated({ ...own, bootstrap: { a: 2 } }) ?? "", /configuration/);
		});

		it("by the program, also where another file has the same name now", () => {
			const envoy = join(directory, "envoy");
			copyFileSync("/bin/true", `${envoy}.new`);
			renameSync(`${envoy}.new`, envoy);
			assert.match(whyOutdated({ ...own, envoy }) ?? "", /program/);
		});

		it("not where nobody knows", () => {
			assert.equal(whyOutdated({ ...own, bootstrapFile: join(directory, "none") }), undefined);
			assert.equal(whyOutdated({ ...own, pid: 4_194_304 }), undefined);
		});
	});
});

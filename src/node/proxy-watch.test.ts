// A real Envoy with two workers is watched while single threads of it are stopped.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { staticCluster } from "../envoy/bootstrap/static-resources.ts";
import type { HealthVerdict } from "../hotswitch/proxy-health.ts";
import { realClock } from "../runtime/clock.ts";
import { type EnvoyAdmin, envoyAdmin } from "./envoy-admin.ts";
import { holdThread } from "./hold-thread.testing.ts";
import { envoyBinary } from "./namespace-rig.testing.ts";
import { watchListener } from "./plan/watch-listener.ts";
import { identifyProcess } from "./process-table.ts";
import { ProxyWatch } from "./proxy-watch.ts";

describe("the watch over a proxy", { skip: existsSync(envoyBinary) ? false : "needs Envoy" }, () => {
	const directory = mkdtempSync(join(tmpdir(), "kmw-"));
	const socketPath = join(directory, "watch.sock");
	const adminSocket = join(directory, "admin.sock");
	const admin: EnvoyAdmin = envoyAdmin(adminSocket);
	const told: (HealthVerdict | string)[] = [];
	let envoy: ChildProcess;
	let watch: ProxyWatch | undefined;

	before(async () => {
		const bootstrap = {
			admin: { address: { pipe: { path: adminSocket } } },
			layered_runtime: { layers: [{ name: "admin", admin_layer: {} }] },
			watchdogs: { worker_watchdog: { miss_timeout: "0.2s", megamiss_timeout: "86400s" } },
			static_resources: {
				clusters: [staticCluster("prometheus_stats", { socketPath: adminSocket })],
				listeners: [watchListener(socketPath, "ready")],
			},
		};
		writeFileSync(join(directory, "bootstrap.json"), JSON.stringify(bootstrap));
		const args = [
			"-c",
			join(directory, "bootstrap.json"),
			"--concurrency",
			"2",
			"--use-dynamic-base-id",
			"-l",
			"error",
		];
		envoy = spawn(envoyBinary, args, { stdio: ["ignore", "ignore", "inherit"] });
		while ((await admin.get("/ready"))?.body.trim() !== "LIVE") await pause(20);
		await admin.post("/runtime_modify?ready=100");
	});
	after(async () => {
		watch?.close();
		await end();
		rmSync(directory, { recursive: true });
	});

	/** Node takes the first stop of a traced child for its end, so it is not asked. */
	const end = async (): Promise<void> => {
		while (identifyProcess(envoy.pid ?? 0)) {
			process.kill(envoy.pid ?? 0, "SIGKILL");
			await pause(20);
		}
	};
	/** Short times: the machine decides how much that is to be blamed on Envoy, which is not the question here. */
	const open = (): void => {
		watch?.close();
		told.length = 0;
		watch = new ProxyWatch(
			{ socketPath, admin, concurrency: 2 },
			{
				clock: realClock,
				onVerdict: (verdict) => told.push(verdict),
				onRemark: (remark) => told.push(remark),
				config: { silentMs: 600 },
				intervalMs: 100,
			},
		);
	};
	const next = async (): Promise<HealthVerdict | string | undefined> => {
		for (let tries = 0; tries < 500 && told.length === 0; tries++) await pause(20);
		return told.shift();
	};
	const threadNamed = (name: string): number => {
		const tasks = `/proc/${envoy.pid}/task`;
		const found = readdirSync(tasks).find((id) => readFileSync(`${tasks}/${id}/comm`, "utf8").trim() === name);
		return Number(found ?? assert.fail(`no thread ${name}`));
	};

	it("says nothing about one that does well", async () => {
		open();
		await pause(1500);
		assert.deepEqual(told, []);
	});

	for (const worker of ["wrk:worker_0", "wrk:worker_1"])
		it(`finds the one worker that is stuck, be it ${worker}, and that it goes on`, async () => {
			open();
			await pause(300);
			const release = holdThread(threadNamed(worker));
			const verdict = await next();
			assert.ok(
				typeof verdict === "object" && verdict.type === "unready" && verdict.cause === "stuck",
				String(verdict),
			);
			release();
			assert.deepEqual(await next(), { type: "ready" });
		});

	it("only remarks upon a main thread that is stuck", async () => {
		open();
		await pause(300);
		const release = holdThread(envoy.pid ?? 0);
		assert.match(String(await next()), /^the main thread has not answered for/);
		release();
		assert.equal(await next(), "");
		assert.deepEqual(told, []);
	});

	it("hears that readiness is taken back", async () => {
		open();
		await admin.post("/runtime_modify?ready=0");
		assert.deepEqual(await next(), { type: "unready", because: "its readiness says: not ready" });
		await admin.post("/runtime_modify?ready=100");
		assert.deepEqual(await next(), { type: "ready" });
		await admin.post("/healthcheck/fail");
		assert.deepEqual(await next(), { type: "unready", because: "its readiness says: DRAINING" });
		await admin.post("/healthcheck/ok");
		assert.deepEqual(await next(), { type: "ready" });
	});

	it("leaves it to others to tell that the process has ended", async () => {
		open();
		await end();
		await pause(1000);
		assert.deepEqual(told, []);
	});
});

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

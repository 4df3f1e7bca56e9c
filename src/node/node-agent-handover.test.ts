// A pod's Envoy is replaced under load; nobody notices. With real Envoys in namespaces.

import assert from "node:assert/strict";
import { copyFileSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { useAgent } from "./agent-fixture.testing.ts";
import { cannotRun, envoyBinary } from "./namespace-rig.testing.ts";
import type { PodRecord } from "./pod-store.ts";
import { identifyProcess } from "./process-table.ts";

interface LoadResult {
	readonly sent: number;
	readonly failed: number;
	readonly errors: readonly unknown[];
}

/** Of the Envoy beside the pod's own, as the agent has noted it. */
function besidePid(state: string): number | undefined {
	const { beside } = JSON.parse(readFileSync(`${state}/pods/app-1.json`, "utf8")) as PodRecord;
	return beside?.process.pid;
}

describe("an Envoy that is replaced", { skip: cannotRun }, () => {
	const a = useAgent();
	const { call, startAgent, killAgent, describePod, kill, get, until } = a;
	before(async () => {
		if (cannotRun) return;
		await killAgent("SIGTERM");
		await startAgent("--hot-switch");
	});
	const status = async () => (await call("GET", "/v1/pods/app-1")).body;
	const replace = () => call<{ because?: string }>("POST", "/v1/pods/app-1/replace-proxy?why=test");
	const tproxy = { annotations: { "sidecar.istio.io/interceptionMode": "TPROXY" } };
	const loads = (durationMs: number): Promise<readonly LoadResult[]> => {
		const every = { op: "load", durationMs, intervalMs: 5 };
		return Promise.all([
			a.client.run<LoadResult>({ ...every, host: a.pod.ip, port: 8080 }),
			a.pod.run<LoadResult>({ ...every, host: a.client.ip, port: 9090 }),
		]);
	};
	const nothingLost = (results: readonly LoadResult[]) => {
		for (const { sent, failed, errors } of results) {
			assert.deepEqual([failed, errors], [0, []]);
			assert.ok(sent > 20, `${sent} sent`);
		}
	};

	it("loses no connection, in or out, and ends when its own are closed", async () => {
		const { body } = await call("POST", "/v1/pods", describePod(tproxy));
		const load = loads(4000);
		const replaced = await replace();
		assert.equal(replaced.status, 200, JSON.stringify(replaced.body));
		const now = await status();
		assert.notEqual(now.pid, body.pid);
		assert.deepEqual([now.phase, now.servingStep, now.restarts], ["ready", "sidecar", 0]);
		await until("the old one has ended", () => identifyProcess(body.pid ?? 0) === undefined);
		nothingLost(await load);
		assert.deepEqual((await status()).handover, { phase: "idle", last: { ok: true, because: "test" } });
		// And a second time, back to the files of the first.
		const again = loads(3000);
		assert.equal((await replace()).status, 200);
		await until("the second has ended", () => identifyProcess(now.pid ?? 0) === undefined);
		nothingLost(await again);
	});

	it("gives no sign of life any more once the other has taken over", async () => {
		const { body } = await call("POST", "/v1/pods", describePod(tproxy));
		const asks = { op: "http", host: a.pod.ip, port: 8080, path: "/?slow=6000", timeoutMs: 20_000 };
		const slow = a.client.run<{ status?: number }>(asks);
		await replace();
		const { pid } = await status();
		process.kill(pid ?? assert.fail("no pid"), "SIGSTOP");
		await until("the hang is seen", async () => (await status()).servingStep !== "sidecar");
		assert.ok(identifyProcess(body.pid ?? 0), "the old one still serves");
		assert.equal((await slow).status, 200);
	});

	it("keeps its pod when the other cannot start", async () => {
		const { body } = await call("POST", "/v1/pods", describePod(tproxy));
		a.control.hold("type.googleapis.com/envoy.config.listener.v3.Listener");
		const load = loads(1500);
		const asked = replace();
		await until("the other runs", () => besidePid(a.state) !== undefined);
		assert.equal((await call("POST", "/v1/pods/app-1/replace-proxy?why=again")).status, 409);
		kill(besidePid(a.state));
		const answer = await asked;
		assert.equal(answer.status, 500);
		assert.match(answer.body.because ?? "", /SIGKILL/);
		assert.equal((await status()).pid, body.pid);
		nothingLost(await load);
		assert.equal((await get(a.client, a.pod.ip, 8080)).status, 200);
	});

	it("is replaced at once by the other when it dies while that proves itself", async () => {
		const { body } = await call("POST", "/v1/pods", describePod(tproxy));
		const asked = replace();
		await until("both serve", async () => (await status()).handover?.phase === "proving");
		kill(body.pid);
		assert.equal((await asked).status, 200);
		const now = await status();
		assert.notEqual(now.pid, body.pid);
		assert.equal(now.servingStep, "sidecar");
		assert.equal((await get(a.client, a.pod.ip, 8080)).status, 200);
	});

	it("makes room for another program as soon as the agent is told of one", async () => {
		const { body } = await call("POST", "/v1/pods", describePod(tproxy));
		const another = join(a.rig.directory, "another-envoy");
		copyFileSync(envoyBinary, another);
		const load = loads(6000);
		await killAgent("SIGTERM");
		await startAgent("--hot-switch", "--envoy", another);
		await until("another process has the pod", async () => (await status()).pid !== body.pid);
		assert.equal(readlinkSync(`/proc/${(await status()).pid}/exe`), another);
		await until("the old one has ended", () => identifyProcess(body.pid ?? 0) === undefined);
		nothingLost(await load);
	});

	it("is taken over by the next agent, whichever of the two it was", async () => {
		const { body } = await call("POST", "/v1/pods", describePod(tproxy));
		const asked = replace().catch(() => undefined);
		await until("both serve", async () => (await status()).handover?.phase === "proving");
		const load = loads(3000);
		await killAgent("SIGKILL");
		await asked;
		await startAgent("--hot-switch");
		await until("the handover goes on", async () => (await status()).handover?.phase === "idle");
		assert.notEqual((await status()).pid, body.pid);
		assert.equal(identifyProcess(body.pid ?? 0), undefined);
		const { pid } = await status();
		await killAgent("SIGKILL");
		await startAgent("--hot-switch");
		await until("adopted", async () => (await status()).ready);
		assert.equal((await status()).pid, pid);
		nothingLost(await load);
	});
});

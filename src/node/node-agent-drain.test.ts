// A pod is taken away: what is open ends well, and nobody who goes on meets a closed door.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { readRedirect } from "../kernel/namespace-redirect.ts";
import { useAgent } from "./agent-fixture.testing.ts";
import { cannotRun, type Host } from "./namespace-rig.testing.ts";
import { identifyProcess } from "./process-table.ts";

describe("a pod that leaves", { skip: cannotRun }, () => {
	const a = useAgent();
	const { call, describePod, get } = a;

	it("drains on DELETE: the open request ends well, then Envoy, redirect and files are gone", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		const slow = get(a.client, a.pod.ip, 8080, "/?slow=1200");
		await new Promise((resolve) => setTimeout(resolve, 100));
		const deleted = call<{ existed: boolean }>("DELETE", "/v1/pods/app-1?graceSeconds=10");
		await new Promise((resolve) => setTimeout(resolve, 300));
		assert.notEqual((await get(a.client, a.pod.ip, 15_021, "/healthz/ready")).status, 200);
		assert.equal((await get(a.pod, a.client.ip, 9090)).status, 200, "outbound goes on while inbound drains");
		assert.equal((await slow).status, 200);
		assert.deepEqual((await deleted).body.existed, true);
		assert.equal(identifyProcess(body.pid ?? 0), undefined);
		assert.equal(await readRedirect(a.pod.netns), undefined);
		assert.equal(existsSync(join(a.state, "pods/app-1")), false);
		assert.equal((await get(a.client, a.pod.ip, 8080)).status, 200, "the application answers by itself");
		assert.equal((await call<{ existed: boolean }>("DELETE", "/v1/pods/app-1")).body.existed, false);
	});

	it("loses no request of clients that go on while a pod leaves the mesh", async () => {
		await call("POST", "/v1/pods", describePod());
		const load = (from: Host, host: string, port: number) =>
			from.run<{ sent: number; failed: number; errors: unknown }>({
				op: "load",
				host,
				port,
				durationMs: 2000,
				intervalMs: 3,
				atLeast: 201,
			});
		const both = [load(a.client, a.pod.ip, 8080), load(a.pod, a.client.ip, 9090)];
		await new Promise((resolve) => setTimeout(resolve, 200));
		await call("DELETE", "/v1/pods/app-1?graceSeconds=10");
		for (const result of await Promise.all(both)) {
			assert.deepEqual([result.failed, result.errors], [0, []]);
			assert.ok(result.sent > 200, `${result.sent} sent`);
		}
	});

	it("adds a pod again that is just being removed", async () => {
		const first = await call("POST", "/v1/pods", describePod());
		const deleted = call("DELETE", "/v1/pods/app-1?graceSeconds=5");
		await new Promise((resolve) => setTimeout(resolve, 50));
		const second = await call("POST", "/v1/pods", describePod());
		await deleted;
		assert.equal(second.status, 201);
		assert.notEqual(second.body.pid, first.body.pid);
		assert.ok(existsSync(join(a.state, "pods/app-1.json")));
	});

	it("waits no longer than the grace time for connections that stay open", async () => {
		await call("POST", "/v1/pods", describePod());
		const slow = get(a.client, a.pod.ip, 8080, "/?slow=2900");
		await new Promise((resolve) => setTimeout(resolve, 100));
		const startedMs = performance.now();
		await call("DELETE", "/v1/pods/app-1?graceSeconds=1");
		const tookMs = performance.now() - startedMs;
		assert.ok(tookMs > 900 && tookMs < 2500, `${tookMs} ms`);
		await slow;
	});
});

// A sidecar ends, hangs or is bypassed by hand; its pod's callers go past it, and come back.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { defaultHotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { useAgent } from "./agent-fixture.testing.ts";
import { cannotRun } from "./namespace-rig.testing.ts";

describe("a pod's hot-switch without a spare", { skip: cannotRun }, () => {
	const a = useAgent();
	const { call, startAgent, killAgent, describePod, kill, get, until } = a;
	before(async () => {
		if (cannotRun) return;
		await killAgent("SIGTERM");
		a.control.allow({ ...defaultHotSwitchPolicy, spare: false, permitsPlaintext: true });
		await startAgent("--hot-switch");
	});
	const status = async () => (await call("GET", "/v1/pods/app-1")).body;
	/** The application tells from where it was called: Envoy's own address, or the client's. */
	const isDirect = async () => {
		const { status: code, body, error } = await get(a.client, a.pod.ip, 8080);
		assert.equal(code, 200, String(error));
		return !body?.includes('"remoteAddress":"127.0.0.6"');
	};
	const throughSidecar = () => until("through the sidecar", async () => !(await isDirect()));
	const servedBy = (step: string) => until(step, async () => (await status()).servingStep === step);

	it("goes past a sidecar that was killed, and back when another has proved itself", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await servedBy("sidecar");
		await throughSidecar();
		kill(body.pid);
		await servedBy("direct");
		assert.equal(await isDirect(), true);
		assert.match((await status()).servingBecause ?? "", /SIGKILL/);
		await servedBy("sidecar");
		await throughSidecar();
	});

	it("goes past one that hangs, kills it and starts another", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await servedBy("sidecar");
		assert.ok(body.pid);
		process.kill(body.pid, "SIGSTOP");
		await servedBy("direct");
		assert.equal(await isDirect(), true);
		await until("another Envoy", async () => {
			const { pid } = await status();
			return pid !== undefined && pid !== body.pid;
		});
		await servedBy("sidecar");
		await throughSidecar();
	});

	it("is switched by hand, for a reason and a time, and tells of it", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await servedBy("sidecar");
		assert.equal((await call("POST", "/v1/pods/app-1/bypass?by=ann")).status, 400);
		const bypassed = await call("POST", "/v1/pods/app-1/bypass?by=ann&why=upgrade&forSeconds=600");
		assert.equal(bypassed.status, 200, JSON.stringify(bypassed.body));
		assert.deepEqual([bypassed.body.servingStep, bypassed.body.bypass?.why], ["direct", "upgrade"]);
		assert.equal(await isDirect(), true);
		const restored = await call("POST", "/v1/pods/app-1/restore?by=ann");
		assert.equal(restored.body.bypass, undefined);
		// A machine that stands still for longer than the lease switches as well, for a moment.
		await servedBy("sidecar");
		await throughSidecar();
		assert.equal((await status()).pid, body.pid);
		await call("POST", "/v1/pods/app-1/bypass?by=ann&why=upgrade&forSeconds=0.2");
		assert.equal(await isDirect(), true);
		await servedBy("sidecar");
	});

	/** With the kernel's number for each rule and set: another number is another table. */
	const table = () => a.pod.exec("nft", "-a", "list", "table", "inet", "keepmesh").replaceAll(/^.*expires .*\n/gm, "");

	it("leaves the table of an earlier agent untouched, and a bypass until its end", async () => {
		await call("POST", "/v1/pods", describePod());
		await servedBy("sidecar");
		const body = await status();
		const made = table();
		await killAgent("SIGKILL");
		await startAgent("--hot-switch");
		await until("ready", async () => (await status()).ready);
		assert.equal(table(), made);
		const { servingSince, servingBecause } = await status();
		const laterMs = Date.parse(servingSince ?? "") - Date.parse(body.servingSince ?? "");
		const isSame = servingBecause === body.servingBecause;
		assert.ok(!isSame || Math.abs(laterMs) < 200, `served since then, ${laterMs} ms later`);
		const order = await call("POST", "/v1/pods/app-1/bypass?by=ann&why=upgrade&forSeconds=600");
		assert.equal(order.status, 200, JSON.stringify(order.body));
		const bypassed = await status();
		const off = table();
		await killAgent("SIGKILL");
		await startAgent("--hot-switch");
		await until("ready", async () => (await status()).ready);
		const again = await status();
		assert.deepEqual([again.bypass?.by, again.servingStep, again.pid], ["ann", "direct", body.pid]);
		const endsLaterMs = Date.parse(again.bypass?.until ?? "") - Date.parse(bypassed.bypass?.until ?? "");
		assert.ok(Math.abs(endsLaterMs) < 200, `ends ${endsLaterMs} ms later`);
		assert.equal(table(), off);
		assert.equal(await isDirect(), true);
		await call("POST", "/v1/pods/app-1/restore?by=ann");
		await servedBy("sidecar");
		await throughSidecar();
	});

	it("bears with an Envoy that is late while there is no agent, after one that left in order", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await servedBy("sidecar");
		assert.ok(body.pid);
		await killAgent("SIGTERM");
		process.kill(body.pid, "SIGSTOP");
		// By now its lease is over.
		await new Promise((resolve) => setTimeout(resolve, 300));
		const asked = [isDirect(), isDirect()];
		await new Promise((resolve) => setTimeout(resolve, 100));
		process.kill(body.pid, "SIGCONT");
		assert.deepEqual(await Promise.all(asked), [false, false]);
		await startAgent("--hot-switch");
		await servedBy("sidecar");
	});

	it("does not close a pod whose sidecar ended with the agent", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await servedBy("sidecar");
		await killAgent("SIGKILL");
		kill(body.pid);
		// Until the kernel has noticed.
		await new Promise((resolve) => setTimeout(resolve, 150));
		const failures = a.client.run<{ failed: number; errors: unknown }>({
			op: "load",
			host: a.pod.ip,
			port: 8080,
			durationMs: 2500,
			intervalMs: 10,
		});
		await startAgent("--hot-switch");
		let because = "";
		await until("direct", async () => {
			const { servingStep, servingBecause = "" } = await status();
			because = servingBecause;
			return servingStep === "direct";
		});
		assert.match(because, /had ended when the agent began/);
		await servedBy("sidecar");
		assert.deepEqual((await failures).errors, []);
	});
});

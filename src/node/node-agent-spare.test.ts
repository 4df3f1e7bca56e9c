// The node's spare Envoy in place of a pod's own: when it takes connections, when it does not, and what becomes of it.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { before, describe, it } from "node:test";
import { defaultHotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { useAgent } from "./agent-fixture.testing.ts";
import { cannotRun } from "./namespace-rig.testing.ts";
import { sparePaths } from "./plan/spare-paths.ts";
import { isRunning, type ProcessIdentity } from "./process-table.ts";

describe("the node's spare Envoy", { skip: cannotRun }, () => {
	const a = useAgent();
	const { call, startAgent, killAgent, describePod, get, until } = a;
	before(async () => {
		if (cannotRun) return;
		await killAgent("SIGTERM");
		a.control.allow({ ...defaultHotSwitchPolicy, permitsPlaintext: true });
		await startAgent("--hot-switch");
	});
	const status = async () => (await call("GET", "/v1/pods/app-1")).body;
	const servedBy = (step: string) => until(step, async () => (await status()).servingStep === step);
	/** Kept off its own Envoy. */
	const addPod = async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		assert.ok(body.pid);
		await servedBy("sidecar");
		await until("the spare is ready", () => isReady(1));
		const bypassed = await call("POST", "/v1/pods/app-1/bypass?by=ann&why=test");
		assert.deepEqual([bypassed.status, bypassed.body.servingStep], [200, "spare"]);
	};
	const isReady = async (value: 0 | 1) =>
		(await metrics()).includes(`keepmesh_spare_ready{pod="default/app-1"} ${value}`);
	const metrics = async (): Promise<string> => {
		const { request } = await import("node:http");
		return new Promise((resolve, reject) => {
			request({ socketPath: `${a.state}/node.sock`, path: "/metrics", agent: false }, (response) => {
				let text = "";
				response.setEncoding("utf8").on("data", (chunk: string) => {
					text += chunk;
				});
				response.on("end", () => resolve(text));
			})
				.on("error", reject)
				.end();
		});
	};
	const spare = (): ProcessIdentity =>
		(JSON.parse(readFileSync(sparePaths(a.state).record, "utf8")) as { readonly process: ProcessIdentity }).process;
	/** The application tells from where it was called: by an Envoy, or by the client itself. */
	const isProxied = async () => {
		const { status: code, body, error } = await get(a.client, a.pod.ip, 8080);
		assert.equal(code, 200, String(error));
		return body?.includes('"remoteAddress":"127.0.0.6"') === true;
	};

	it("takes the connections of a sidecar that was killed, until another has proved itself", async () => {
		const { body } = await call("POST", "/v1/pods", describePod());
		await until("the spare is ready", () => isReady(1));
		await servedBy("sidecar");
		a.kill(body.pid);
		await servedBy("spare");
		assert.equal(await isProxied(), true);
		await servedBy("sidecar");
		assert.equal(await isProxied(), true);
	});

	it("lets go of every pod when it ends, and is started again", async () => {
		await addPod();
		assert.equal(await isProxied(), true);
		const before = spare();
		a.kill(before.pid);
		await servedBy("direct");
		assert.equal(await isProxied(), false);
		await servedBy("spare");
		assert.equal(await isProxied(), true);
		assert.notEqual(spare().pid, before.pid);
	});

	it("lets go of every pod when it hangs, is killed and started again", async () => {
		await addPod();
		const before = spare();
		process.kill(before.pid, "SIGSTOP");
		await servedBy("direct");
		assert.equal(await isProxied(), false);
		await until("it is killed", () => !isRunning(before));
		await servedBy("spare");
		assert.equal(await isProxied(), true);
	});

	it("serves on while the agent is killed and started again, and is then the same process", async () => {
		await addPod();
		const before = spare();
		await killAgent("SIGKILL");
		assert.equal(await isProxied(), true);
		await startAgent("--hot-switch");
		assert.equal(await isProxied(), true);
		await until("the spare is ready", () => isReady(1));
		assert.deepEqual([(await status()).servingStep, await isProxied(), spare()], ["spare", true, before]);
	});

	it("has nothing left of a pod that was removed", async () => {
		await addPod();
		await call("DELETE", "/v1/pods/app-1?graceSeconds=0");
		await until("its listeners are gone", async () => !(await listenersOfSpare()).includes("app-1|"));
		await addPod();
		assert.equal(await isProxied(), true);
	});

	const listenersOfSpare = async (): Promise<string> => {
		const { envoyAdmin } = await import("./envoy-admin.ts");
		return (await envoyAdmin(sparePaths(a.state).adminSocket).get("/listeners"))?.body ?? "no answer: app-1|";
	};
});

// keepmesh bypass and restore, as typed on a node.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import { useAgent } from "../../node/agent-fixture.testing.ts";
import { cannotRun } from "../../node/namespace-rig.testing.ts";
import { keepmesh } from "./cli.testing.ts";

describe("keepmesh bypass", { skip: cannotRun }, () => {
	const a = useAgent();
	const { call, startAgent, killAgent, describePod, until } = a;
	const typed = (...args: readonly string[]) => keepmesh([...args, "--state", a.state]);
	const status = async () => (await call("GET", "/v1/pods/app-1")).body;
	before(async () => {
		if (cannotRun) return;
		await killAgent("SIGTERM");
		await startAgent("--hot-switch");
	});

	it("takes one pod off its proxy for a time and a reason, lists it, and gives it back", async () => {
		await call("POST", "/v1/pods", describePod());
		assert.match((await typed("bypass", "--list")).stderr, /^No pod is bypassed/);
		const done = await typed("bypass", "app-1", "--for", "10m", "--reason", "upgrade", "--by", "ann");
		assert.deepEqual([done.code, done.stderr], [0, ""]);
		assert.match(done.stdout, /^default\/app-1 .*(direct|spare) +in (10m|9m)/m);
		const { bypass } = await status();
		assert.deepEqual([bypass?.by, bypass?.why], ["ann", "upgrade"]);
		assert.match(
			(await typed("bypass", "--list")).stdout,
			/^default\/app-1 .* (direct|spare) +ann +\d+s +in .* upgrade$/m,
		);
		const [listed] = JSON.parse((await typed("bypass", "--list", "-o", "json")).stdout) as { bypass: object }[];
		assert.deepEqual(listed?.bypass, bypass);
		const restored = await typed("restore", "default/app-1");
		assert.match(restored.stdout, /^default\/app-1 .* sidecar +-$/m);
		assert.equal((await status()).bypass, undefined);
	});

	it("takes all pods, and restores only those that are bypassed", async () => {
		await call("POST", "/v1/pods", describePod());
		assert.equal((await typed("bypass", "--all")).code, 0);
		await until("bypassed", async () => (await status()).servingStep !== "sidecar");
		assert.match((await typed("restore", "--all")).stdout, /default\/app-1/);
		assert.match((await typed("restore", "--all")).stderr, /^No pod is bypassed/);
	});

	it("says why a pod cannot be bypassed", async () => {
		const { code, stderr } = await typed("bypass", "nobody");
		assert.equal(code, 1);
		assert.match(stderr, /there is no pod and no node nobody here\nnext: keepmesh bypass --list --all/);
		assert.equal((await typed("bypass")).code, 64);
		assert.equal((await typed("bypass", "x", "--all")).code, 64);
		const elsewhere = await keepmesh(["bypass", "--all", "--state", "/nonexistent"]);
		assert.equal(elsewhere.code, 69);
		assert.match(elsewhere.stderr, /does not answer: no \/nonexistent\/node.sock/);
	});
});

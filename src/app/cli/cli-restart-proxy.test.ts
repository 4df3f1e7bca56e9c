// keepmesh restart-proxy, as typed on a node.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { useAgent } from "../../node/agent-fixture.testing.ts";
import { cannotRun } from "../../node/namespace-rig.testing.ts";
import { keepmesh } from "./cli.testing.ts";

describe("keepmesh restart-proxy", { skip: cannotRun }, () => {
	const a = useAgent();
	const typed = (...args: readonly string[]) => keepmesh(["restart-proxy", ...args, "--state", a.state]);
	const pidNow = async () => (await a.call("GET", "/v1/pods/app-1")).body.pid;

	it("brings a pod another Envoy and says so, or says which pod is meant", async () => {
		const annotations = { "sidecar.istio.io/interceptionMode": "TPROXY" };
		const { body } = await a.call("POST", "/v1/pods", a.describePod({ annotations }));
		const done = await typed("app-1", "--reason", "test");
		assert.deepEqual([done.code, done.stdout], [0, ""]);
		assert.match(done.stderr, /^default\/app-1: another Envoy after \d+ ms\n$/);
		assert.notEqual(await pidNow(), body.pid);
		assert.equal((await typed()).code, 64);
		assert.match((await typed("nobody")).stderr, /there is no pod and no node nobody here/);
	});
});

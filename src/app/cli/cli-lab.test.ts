// The command line against a lab with two control planes: all of the mesh, also while one of them is down. Needs root.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import type { Lab } from "../../lab/lab.ts";
import { startLab } from "../lab.ts";
import { keepmesh, type Outcome } from "./cli.testing.ts";

const isRoot = process.getuid?.() === 0;
const name = `cli${process.pid}`;

const typed = (...args: readonly string[]): Promise<Outcome> => keepmesh([...args, "--lab", name]);

describe("keepmesh against a lab with two control planes", { skip: isRoot ? false : "needs root" }, () => {
	let lab: Lab;
	before(async () => {
		lab = await startLab({ name, nodes: 1, controls: 2 });
		assert.deepEqual(await lab.untilRolledOut(15_000), []);
	});
	after(() => lab?.down());
	const gateway = async (): Promise<string> => (await lab.pods()).find((pod) => pod.proxy !== "none")?.name ?? "";

	it("shows the proxies of both, wherever they are connected", async () => {
		const { code, stdout } = await typed("proxy-status");
		assert.equal(code, 0);
		assert.match(stdout, /istio-ingressgateway\S+ +Kubernetes .* control-[12] /);
		const status = await typed("status");
		assert.match(
			status.stdout,
			/control plane control-1 [\s\S]*control plane control-2 [\s\S]*proxies: 1 of 1 in sync/,
		);
	});

	it("shows what the real Envoy has, its bootstrap too", async () => {
		const proxy = await gateway();
		const clusters = await typed("proxy-config", "clusters", proxy);
		assert.match(clusters.stderr, /^as the Envoy of istio-ingressgateway/);
		assert.match(clusters.stdout, /^SERVICE FQDN[\s\S]*\nagent +/m, "a cluster that only the bootstrap has");
		const bootstrap = await typed("proxy-config", "bootstrap", proxy, "-o", "json");
		assert.match((JSON.parse(bootstrap.stdout) as { node: { id: string } }).node.id, /istio-ingressgateway/);
	});

	it("shows the rest when a control plane hangs, and says 69 when none answers", async () => {
		await lab.signalProcess("control-1", "SIGSTOP");
		try {
			const { code, stdout, stderr } = await typed("get", "service", "-A", "-o", "name");
			assert.deepEqual([code, stdout], [0, "service/istio-ingressgateway\n"]);
			assert.match(stderr, /^control-1 does not answer \(.*\); what it knows is missing here\n$/);
			await lab.signalProcess("control-2", "SIGSTOP");
			const none = await typed("status");
			assert.deepEqual([none.code, none.stdout], [69, ""]);
			assert.match(
				none.stderr,
				/no control plane answers at control-1, control-2 \(lab cli\d+\).*\nnext: keepmesh lab/,
			);
		} finally {
			for (const control of ["control-1", "control-2"]) await lab.signalProcess(control, "SIGCONT");
		}
	});
});

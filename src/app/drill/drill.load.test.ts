// Drills in a real lab: real control planes, node agents and Envoys. Needs root and Envoy.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { runCommand } from "../../kernel/run-command.ts";
import type { Drill } from "../../lab/drill/drill.ts";
import { rotateRootDrill } from "../../lab/drill/drills/rotate-root.ts";
import { vipCrashDrill } from "../../lab/drill/drills/vip-crash.ts";
import { vipForgedDrill } from "../../lab/drill/drills/vip-forged.ts";
import { vipStopDrill } from "../../lab/drill/drills/vip-stop.ts";
import { type DrillLine, runDrills } from "../../lab/drill/run-drills.ts";
import type { Lab } from "../../lab/lab.ts";
import { labDown } from "../../lab/lab-down.ts";
import { labPrograms } from "../lab.ts";
import { startDrillLab } from "./drill-lab.ts";
import { labDrillMesh } from "./lab-drill-mesh.ts";

const because = process.getuid?.() !== 0 ? "needs root" : !existsSync(labPrograms().envoy) && "needs Envoy";

describe("drills in a lab", { skip: because }, () => {
	const name = `d${process.pid % 1_000_000}`;
	let directory = "";
	let lab: Lab;
	const run = (drill: Drill): Promise<readonly DrillLine[]> =>
		runDrills([drill], { runs: 1, marginMs: 500 }, labDrillMesh(lab, { ratePerSecond: 100 }), { ends: () => {} });

	before(async () => {
		directory = mkdtempSync(join(tmpdir(), "km-drill-"));
		lab = await startDrillLab({ name, state: join(directory, "state") });
	});
	after(async () => {
		await labDown(name);
		rmSync(directory, { recursive: true, force: true });
	});

	it("replace the root while a control plane is killed, with nothing lost and nothing in plaintext", async () => {
		const withKill: Drill = {
			...rotateRootDrill,
			inject: async (mesh) => {
				const rotated = rotateRootDrill.inject(mesh);
				await mesh.sleep(2_000);
				assert.ok(await lab.signalProcess("control-2", "SIGKILL"));
				return await rotated;
			},
		};
		const [none, line] = await run(withKill);
		assert.deepEqual([none?.missed, line?.missed], [[], []]);
		assert.ok((line?.figures.sent ?? 0) > 300, `only ${line?.figures.sent} were sent`);
	});

	it("move a virtual IP from an owner that crashes, stops, or is slandered, and never have two owners", async () => {
		const drills = [vipCrashDrill, vipStopDrill, vipForgedDrill];
		const mesh = labDrillMesh(lab);
		try {
			const lines = await runDrills(drills, { runs: 1, marginMs: 300 }, mesh, { ends: () => {} });
			assert.deepEqual(
				lines.map(({ missed }) => missed),
				[[], [], [], []],
			);
			assert.ok((lines[1]?.figures.lost ?? 0) > 20, "a crash was not noticed");
		} finally {
			mesh.close?.();
		}
	});

	it("see two owners where there are two: of nodes that do not hear each other", async () => {
		const mesh = labDrillMesh(lab);
		const cut = (words: "on" | "off") =>
			["node-1", "node-2"].map((port) =>
				runCommand("ip", ["-n", `km-${name}-fabric`, "link", "set", port, "type", "bridge_slave", "isolated", words]),
			);
		const apart: Drill = {
			name: "apart",
			summary: "",
			load: "virtualIp",
			bars: { wrong: 0 },
			inject: async () => {
				await Promise.all(cut("on"));
				await mesh.sleep(4_500);
				await Promise.all(cut("off"));
				return {};
			},
		};
		try {
			const [, line] = await runDrills([apart], { runs: 1, marginMs: 300 }, mesh, { ends: () => {} });
			assert.match(line?.missed.join("\n") ?? "", /wrong is \d+.*two nodes owned the address/s);
		} finally {
			mesh.close?.();
		}
	});

	it("are not held up by names: of three hundred look-ups none waits for a lost refusal", async () => {
		const [client] = (await lab.pods()).filter((pod) => pod.labels.app === "client");
		// Each asks for the name below three search domains as well, which nobody knows.
		const script = `const { lookup } = require("node:dns/promises");
(async () => {
	const startMs = performance.now();
	for (let i = 0; i < 300; i++) await lookup("server.default.svc.cluster.local");
	console.log(performance.now() - startMs);
})();`;
		const { stdout, stderr } = await lab.execIn(client?.name ?? "", [process.execPath, "-e", script]);
		assert.ok(Number(stdout) > 0, stderr);
		assert.ok(Number(stdout) < 5_000, `took ${stdout} ms`);
	});

	it("see plaintext where the mesh permits it", async () => {
		const outcome = await lab.apply(`apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: istio-system }
spec: { mtls: { mode: PERMISSIVE } }
`);
		assert.ok(outcome.ok);
		const mesh = labDrillMesh(lab, { ratePerSecond: 20 });
		for (let attempt = 0; ; attempt++) {
			const load = await mesh.startLoad("mesh");
			await mesh.sleep(500);
			const { plaintext, byVersion } = await load.stop();
			if (plaintext > 0) {
				assert.equal(byVersion.plaintext, undefined, "the mesh's own calls stay mutual TLS");
				return;
			}
			assert.ok(attempt < 20, "plaintext was never seen");
		}
	});
});

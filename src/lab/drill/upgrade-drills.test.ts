import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DrillMesh } from "./drill-mesh.ts";
import type { DrillUpgrades } from "./drill-upgrades.ts";
import { agentUpgradeDrill } from "./drills/agent-upgrade.ts";
import { controlUpgradeDrill } from "./drills/control-upgrade.ts";
import { podDrainDrill } from "./drills/pod-drain.ts";
import { proxyUpgradeDrill } from "./drills/proxy-upgrade.ts";

describe("drills of upgrades", () => {
	const meshWith = (wrong: readonly string[]): DrillMesh => {
		const upgrades: DrillUpgrades = {
			upgradeAgents: async () => ({ tookMs: 1, wrong }),
			upgradeControlPlanes: async () => ({ tookMs: 2, wrong }),
			upgradeEnvoys: async () => ({ tookMs: 3, wrong }),
			untilOldEnvoysEnded: async () => 4,
			drainServer: async () => 5,
		};
		return { upgrades: async () => upgrades } as Partial<DrillMesh> as DrillMesh;
	};

	it("say how long each took", async () => {
		const mesh = meshWith([]);
		assert.deepEqual(await agentUpgradeDrill.inject(mesh), { convergeMs: 1 });
		assert.deepEqual(await controlUpgradeDrill.inject(mesh), { convergeMs: 2 });
		assert.deepEqual(await proxyUpgradeDrill.inject(mesh), { convergeMs: 3, restoreMs: 4 });
		assert.deepEqual(await podDrainDrill.inject(mesh), { convergeMs: 5 });
	});

	it("do not pass when something was touched, or is still the old one", async () => {
		for (const drill of [agentUpgradeDrill, controlUpgradeDrill, proxyUpgradeDrill])
			await assert.rejects(drill.inject(meshWith(["the redirect of a is another one", "b"])), /of a is another one; b/);
	});

	it("need a mesh whose parts can be replaced", async () => {
		await assert.rejects(agentUpgradeDrill.inject({} as DrillMesh), /nothing can be upgraded here/);
	});
});

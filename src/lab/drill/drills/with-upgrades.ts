// What a drill's mesh lets drills replace.

import type { DrillMesh } from "../drill-mesh.ts";
import type { DrillUpgrades, Upgraded } from "../drill-upgrades.ts";

export async function upgradesOf(mesh: DrillMesh): Promise<DrillUpgrades> {
	const upgrades = await mesh.upgrades?.();
	if (!upgrades) throw new Error("nothing can be upgraded here");
	return upgrades;
}

/** Rejects when the upgrade has done what it should not. */
export async function rightly(upgraded: Promise<Upgraded>): Promise<number> {
	const { tookMs, wrong } = await upgraded;
	if (wrong.length > 0) throw new Error(wrong.join("; "));
	return tookMs;
}

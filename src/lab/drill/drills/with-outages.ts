// What a drill's mesh lets drills take away.

import type { DrillMesh } from "../drill-mesh.ts";
import type { DrillOutages } from "../drill-outages.ts";

export async function outagesOf(mesh: DrillMesh): Promise<DrillOutages> {
	const outages = await mesh.outages?.();
	if (!outages) throw new Error("nothing can be taken away here");
	return outages;
}

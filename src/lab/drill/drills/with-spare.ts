// The workload of a drill that the node's spare takes over.

import type { DrillMesh } from "../drill-mesh.ts";
import type { DrillSpare } from "../drill-spare.ts";

export async function spareOf(mesh: DrillMesh): Promise<DrillSpare> {
	const spare = await mesh.spare?.();
	if (!spare) throw new Error("there is no spare here");
	return spare;
}

// Layer 4 of a drill's mesh.

import type { DrillLayer4 } from "../drill-layer4.ts";
import type { DrillMesh } from "../drill-mesh.ts";

export async function layer4Of(mesh: DrillMesh): Promise<DrillLayer4> {
	const layer4 = await mesh.layer4?.();
	if (!layer4) throw new Error("there is no layer 4");
	return layer4;
}

// The workload of a drill whose Envoy may be broken.

import type { DrillMesh } from "../drill-mesh.ts";
import type { DrillSidecar } from "../drill-sidecar.ts";

export async function sidecarOf(mesh: DrillMesh): Promise<DrillSidecar> {
	const sidecar = await mesh.sidecar?.();
	if (!sidecar) throw new Error("there is no sidecar to break");
	return sidecar;
}

// For tests of drills: a mesh with the parts that a drill asks for, and none of the others.

import type { DrillMesh } from "./drill-mesh.ts";

const never = () => Promise.reject(new Error("not asked of this mesh"));

export function fakeDrillMesh(parts: Pick<DrillMesh, "nowMs" | "sleep"> & Partial<DrillMesh>): DrillMesh {
	return {
		startLoad: never,
		certificates: never,
		handshakes: never,
		renewLeaves: never,
		rotate: never,
		...parts,
	};
}

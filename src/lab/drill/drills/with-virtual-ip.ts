// The virtual IP of a drill, with its one owner.

import type { DrillMesh } from "../drill-mesh.ts";
import type { DrillVirtualIp } from "../drill-virtual-ip.ts";

export async function virtualIpOf(
	mesh: DrillMesh,
): Promise<{ readonly virtualIp: DrillVirtualIp; readonly owner: string }> {
	const virtualIp = await mesh.virtualIp?.();
	if (!virtualIp) throw new Error("there is no virtual IP");
	const owner = await virtualIp.owner();
	if (owner === undefined) throw new Error("nobody owns the address, or two do");
	return { virtualIp, owner };
}

export function otherNode({ nodes }: DrillVirtualIp, node: string): string {
	const other = nodes.find((one) => one !== node);
	if (other === undefined) throw new Error("there is no other node");
	return other;
}

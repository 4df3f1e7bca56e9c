// Every workload's certificate is renewed at once, with new keys.

import type { Drill, DrillFindings } from "../drill.ts";
import type { DrillMesh } from "../drill-mesh.ts";
import { withHandshakes } from "./with-handshakes.ts";

export const rotateLeafDrill: Drill = {
	name: "rotate-leaf",
	summary: "every workload's key and certificate are renewed under load",
	bars: { lost: 0, wrong: 0 },
	inject: (mesh) => withHandshakes(mesh, () => rotate(mesh)),
};

async function rotate(mesh: DrillMesh): Promise<DrillFindings> {
	const before = new Map((await mesh.certificates()).map(({ proxy, serial }) => [proxy, serial]));
	if (before.size === 0) throw new Error("no workload has a certificate");
	const startedMs = mesh.nowMs();
	await mesh.renewLeaves();
	const convergeMs = mesh.nowMs() - startedMs;
	const same = (await mesh.certificates()).filter(({ proxy, serial }) => before.get(proxy) === serial);
	if (same.length > 0) throw new Error(`${same[0]?.proxy} shows the certificate that it had before`);
	return { convergeMs };
}

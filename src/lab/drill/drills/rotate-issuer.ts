// The issuer is replaced under the same root, in stages.

import type { Drill, DrillFindings } from "../drill.ts";
import type { DrillMesh } from "../drill-mesh.ts";
import { withHandshakes } from "./with-handshakes.ts";

export const rotateIssuerDrill: Drill = {
	name: "rotate-issuer",
	summary: "the issuer is replaced under load; the root stays",
	bars: { lost: 0, wrong: 0 },
	inject: (mesh) => withHandshakes(mesh, () => rotate(mesh)),
};

async function rotate(mesh: DrillMesh): Promise<DrillFindings> {
	const before = await mesh.certificates();
	const issuers = new Set(before.map(({ issuerKeyId }) => issuerKeyId));
	if (before.length === 0) throw new Error("no workload has a certificate");
	const startedMs = mesh.nowMs();
	await mesh.rotate("issuer");
	const convergeMs = mesh.nowMs() - startedMs;
	const after = await mesh.certificates();
	const old = after.find(({ issuerKeyId }) => issuers.has(issuerKeyId));
	if (old) throw new Error(`${old.proxy} still shows a certificate of the old issuer`);
	const trusts = (list: typeof after): string => [...new Set(list.flatMap((one) => one.trusts))].join();
	if (trusts(after) !== trusts(before)) throw new Error("the roots have changed");
	return { convergeMs };
}

// The root is replaced in stages: trust both, sign with the new one, drop the old one.

import type { Drill, DrillFindings } from "../drill.ts";
import type { DrillMesh } from "../drill-mesh.ts";
import { withHandshakes } from "./with-handshakes.ts";

export const rotateRootDrill: Drill = {
	name: "rotate-root",
	summary: "the root and its issuer are replaced under load",
	bars: { lost: 0, wrong: 0 },
	inject: (mesh) => withHandshakes(mesh, () => rotate(mesh)),
};

async function rotate(mesh: DrillMesh): Promise<DrillFindings> {
	const before = await mesh.certificates();
	if (before.length === 0) throw new Error("no workload has a certificate");
	const oldRoots = new Set(before.flatMap(({ trusts }) => trusts));
	const oldIssuers = new Set(before.map(({ issuerKeyId }) => issuerKeyId));
	const startedMs = mesh.nowMs();
	await mesh.rotate("root");
	const convergeMs = mesh.nowMs() - startedMs;
	for (const { proxy, issuerKeyId, trusts } of await mesh.certificates()) {
		if (oldIssuers.has(issuerKeyId)) throw new Error(`${proxy} still shows a certificate of the old root`);
		if (trusts.length !== 1 || trusts.some((root) => oldRoots.has(root)))
			throw new Error(`${proxy} does not trust the new root alone`);
	}
	return { convergeMs };
}

// The root is replaced in stages: trust both, sign with the new one, drop the old one.

import type { Drill } from "../drill.ts";

export const rotateRootDrill: Drill = {
	name: "rotate-root",
	summary: "the root and its issuer are replaced under load",
	bars: { lost: 0, wrong: 0 },
	inject: async (mesh) => {
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
	},
};

// The checks across resources work out what PeerAuthentication demands for themselves, since they know nothing of snapshots:
// over random policies both must say the same.

import assert from "node:assert/strict";
import { it } from "node:test";
import { aMeshConfig, aPeerAuthentication, aPod, applied } from "../model/model.testing.ts";
import type { AnyObject } from "../resources/config-object.ts";
import type { MtlsMode, PeerAuthenticationSpec } from "../resources/kinds/security.ts";
import { guardedWorkloads } from "../resources/references/guarded-workloads.ts";
import { newMeshIndex } from "../resources/references/mesh-index.ts";
import { mtlsOf } from "./peer-mtls.ts";
import { applyChanges, emptySnapshot } from "./snapshot.ts";

function newDice(seed: number) {
	let state = seed;
	const next = (): number => {
		state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
		return state / 2 ** 32;
	};
	return {
		chance: (share: number): boolean => next() < share,
		one: <T>(list: readonly T[]): T => list[Math.floor(next() * list.length)] as T,
	};
}

const modes: readonly MtlsMode[] = ["UNSET", "DISABLE", "PERMISSIVE", "STRICT"];
const namespaces = ["a", "b", "istio-system", "root"];
const labels: readonly Readonly<Record<string, string>>[] = [
	{},
	{ app: "x" },
	{ app: "y" },
	{ app: "x", version: "v1" },
];
const ports = [80, 8080];

function policies(seed: number): readonly AnyObject[] {
	const { chance, one } = newDice(seed);
	const spec = (): PeerAuthenticationSpec => ({
		...(chance(0.6) ? { selector: chance(0.2) ? {} : { matchLabels: one(labels) } } : {}),
		...(chance(0.8) ? { mtls: chance(0.2) ? {} : { mode: one(modes) } } : {}),
		...(chance(0.4) ? { portLevelMtls: { [one(ports)]: { mode: one(modes) } } } : {}),
	});
	const peers = Array.from({ length: 6 }, (_, index) =>
		// Ages may be equal: then names decide.
		aPeerAuthentication(`p${one([...Array(50).keys()])}-${index}`, spec(), {
			namespace: one(namespaces),
			createdMs: one([0, 1000, 2000]),
		}),
	);
	return chance(0.5) ? [...peers, aMeshConfig({ rootNamespace: "root" }, { namespace: "root" })] : peers;
}

it("checks and snapshots agree on what PeerAuthentication demands, over 2,000 random meshes", () => {
	const pods = namespaces.flatMap((namespace) =>
		labels.map((own, index) =>
			aPod(`w-${index}`, `10.1.0.${index + 1}`, {}, { namespace, labels: { app: "none", ...own } }),
		),
	);
	const seen = new Set<string>();
	for (let seed = 1; seed <= 2000; seed++) {
		const objects = [...policies(seed), ...pods];
		const { snapshot } = applyChanges(emptySnapshot(), applied(...objects));
		const index = newMeshIndex(objects);
		const guarded = guardedWorkloads(index);
		for (const workload of [...index.workloads.values()].flat()) {
			const inForce = mtlsOf(snapshot.policies, workload.namespace, workload.labels);
			for (const port of [undefined, ...ports]) {
				const said = guarded.mtlsOf(workload, port).mode;
				const is = (port === undefined ? undefined : inForce.byPort.get(port)) ?? inForce.mode;
				assert.equal(said, is, `seed ${seed}: ${workload.namespace}/${workload.name} port ${port}`);
				seen.add(is);
			}
		}
	}
	assert.equal(seen.size, 3);
});

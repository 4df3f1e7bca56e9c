import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { drillList } from "../../lab/drill/drill-list.ts";
import type { ClusterParts } from "./cluster-parts.ts";
import { kubernetesDrills, lackFor } from "./kubernetes-needs.ts";

const whole: ClusterParts = {
	image: "keepmesh",
	state: "/var/lib/keepmesh/node",
	agentNodes: ["n1", "n2"],
	controlPlanes: 2,
	vipNodes: ["n1", "n2"],
	layer4Nodes: ["n1", "n2"],
};
const bare: ClusterParts = { ...whole, agentNodes: ["n1"], controlPlanes: 1, vipNodes: [], layer4Nodes: [] };

describe("drills on a cluster", () => {
	it("are drills that there are", () => {
		const known = drillList.map(({ name }) => name);
		assert.deepEqual(
			kubernetesDrills.filter((name) => !known.includes(name)),
			[],
		);
	});

	it("lack nothing where all of Keepmesh is", () => {
		for (const name of kubernetesDrills) assert.equal(lackFor(name, whole), undefined, name);
	});

	it("say what a cluster lacks, and what to type", () => {
		for (const name of kubernetesDrills) {
			const lack = lackFor(name, bare);
			if (!lack) continue;
			assert.match(lack.because, new RegExp(`^${name} needs`));
			assert.match(lack.next, /^(keepmesh|kubectl) /);
		}
		assert.equal(lackFor("sidecar-crash", bare), undefined);
	});

	it("say why no cluster can do one", () => {
		assert.match(lackFor("l4-node-loss", whole)?.because ?? "", /^l4-node-loss needs a lab: on a cluster each node/);
	});

	it("are the lab's otherwise", () => {
		assert.deepEqual(lackFor("no-such", whole), { because: "no-such needs a lab", next: "keepmesh drill no-such" });
	});
});

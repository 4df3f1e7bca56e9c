import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { planSet, setNamePattern } from "./cluster-shape.ts";

const machinesOf = (name: string) =>
	planSet({ name, clusters: 9, nodes: 9 }).clusters.flatMap(({ controlPlane, nodes }) => [controlPlane, ...nodes]);

describe("a set of clusters", () => {
	it("gives every machine of every cluster its own name and address", () => {
		const machines = machinesOf("kl");
		assert.equal(machines.length, 90);
		assert.equal(new Set(machines.map(({ id }) => id)).size, 90);
		assert.equal(new Set(machines.map(({ ip }) => ip)).size, 90);
	});

	it("has networks of pods and Services that differ from one cluster to the next", () => {
		const { clusters } = planSet({ name: "kl", clusters: 2, nodes: 2 });
		const networks = clusters.flatMap((one) => [
			one.serviceNetwork,
			one.podNetwork,
			...one.nodes.map((n) => n.podNetwork),
		]);
		assert.deepEqual(networks, [
			...["10.96.0.0/16", "10.244.0.0/16", "10.244.1.0/24", "10.244.2.0/24"],
			...["10.97.0.0/16", "10.245.0.0/16", "10.245.1.0/24", "10.245.2.0/24"],
		]);
	});

	it("never has a machine of another set's name", () => {
		const taken = new Set(machinesOf("kl").map(({ id }) => id));
		assert.ok(machinesOf("kx").every(({ id }) => !taken.has(id)));
		// "kl1" would have the machine kl11-cp, as the eleventh cluster of "kl" would.
		for (const name of ["kl1", "1k", "k-l", "", "K", "../k"]) assert.ok(!setNamePattern.test(name), name);
		for (const name of ["kl", "k", "k8s", "multi"]) assert.ok(setNamePattern.test(name), name);
	});
});

// Layer 4 through the real kernel: Services as YAML files have them become rules in a namespace, and real connections of the
// outside, of a pod and of the node meet what the table of cases says, over TCP and UDP, IPv4 and IPv6.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { type Balancing, balance } from "../l4/balance.ts";
import { cellsOf, judge, type L4Case, objectsOf, targetOf } from "../l4/l4-case.ts";
import { l4Cases } from "../l4/l4-cases.ts";
import { createL4World, type L4World, nodeFacts } from "../l4/l4-world.ts";
import type { Met } from "../l4/probe.ts";
import { meetCases } from "../l4/run-cases.ts";

describe("layer 4 in the kernel", { skip: cannotRun }, () => {
	let world: L4World;
	let balancing: Balancing;
	let met: readonly (readonly Met[])[] = [];
	before(async () => {
		world = await createL4World();
		balancing = balance(world.node.netns, nodeFacts);
		await balancing.apply(l4Cases.flatMap((one, index) => objectsOf(one, index + 1)));
		met = await meetCases(world, l4Cases);
	});
	after(() => {
		balancing?.close();
		world?.close();
	});

	for (const [index, one] of l4Cases.entries())
		it(one.name, () => assert.deepEqual(wrongOf(one, index, met[index] ?? []), []));

	// Every address, node port and set of endpoints changes hands by increments alone.
	for (const shift of [1, 11])
		it(`holds after each Service has become the one ${shift} further`, async () => {
			const shifted = [...l4Cases.slice(shift), ...l4Cases.slice(0, shift)];
			await balancing.apply(shifted.flatMap((one, index) => objectsOf(one, index + 1)));
			const seen = await meetCases(world, shifted);
			const wrong = shifted.flatMap((one, index) =>
				wrongOf(one, index, seen[index] ?? []).map((problem) => `${one.name}: ${problem}`),
			);
			assert.deepEqual(wrong, []);
		});
});

function wrongOf(one: L4Case, index: number, met: readonly Met[]): readonly string[] {
	return cellsOf(one, index + 1).flatMap((cell, at) => {
		const seen = met[at];
		assert.ok(seen);
		const problem = judge(cell, seen, targetOf(one, cell.row));
		return problem === undefined ? [] : [`${cell.title}: ${problem}`];
	});
}

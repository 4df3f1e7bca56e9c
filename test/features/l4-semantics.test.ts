// Layer 4 through the real kernel: Services as YAML files have them become rules in a namespace, and real connections of the
// outside, of a pod and of the node meet what the table of cases says, over TCP and UDP, IPv4 and IPv6.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { type Balancing, balance } from "../l4/balance.ts";
import { cellsOf, judge, objectsOf, targetOf } from "../l4/l4-case.ts";
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
		balancing.apply(l4Cases.flatMap((one, index) => objectsOf(one, index + 1)));
		met = await meetCases(world, l4Cases);
	});
	after(() => {
		balancing?.close();
		world?.close();
	});

	for (const [index, one] of l4Cases.entries())
		it(one.name, () => {
			const wrong = cellsOf(one, index + 1).flatMap((cell, at) => {
				const seen = met[index]?.[at];
				assert.ok(seen);
				const problem = judge(cell, seen, targetOf(one, cell.row));
				return problem === undefined ? [] : [`${cell.title}: ${problem}`];
			});
			assert.deepEqual(wrong, []);
		});
});

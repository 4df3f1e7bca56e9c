// Keepmesh's layer 4 beside the real kube-proxy: the same Services and EndpointSlices, each over its own copy of the machines,
// and every connection of the cases. They must agree on who answers, which source the server sees, and what is refused or
// dropped; and both must do what the table of cases says.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { cannotRun } from "../../src/node/namespace-rig.testing.ts";
import { type Balancing, balance } from "../l4/balance.ts";
import { type KubeProxy, startKubeProxy } from "../l4/kube-proxy.ts";
import { notBuilt } from "../l4/kubernetes-api.ts";
import { cellsOf, describe as inWords, judge, objectsOf, targetOf } from "../l4/l4-case.ts";
import { l4Cases } from "../l4/l4-cases.ts";
import { createL4World, type L4World, nodeFacts } from "../l4/l4-world.ts";
import type { Met } from "../l4/probe.ts";
import { meetCases } from "../l4/run-cases.ts";

describe("Keepmesh beside kube-proxy", { skip: cannotRun ?? notBuilt, timeout: 300_000 }, () => {
	const worlds: L4World[] = [];
	let proxy: KubeProxy;
	let balancing: Balancing;
	let theirs: readonly (readonly Met[])[] = [];
	let ours: readonly (readonly Met[])[] = [];
	before(async () => {
		const objects = l4Cases.flatMap((one, index) => objectsOf(one, index + 1));
		const [left, right] = [await createL4World(), await createL4World()];
		worlds.push(left, right);
		proxy = await startKubeProxy(left, objects);
		balancing = balance(right.node.netns, nodeFacts);
		await balancing.apply(objects);
		theirs = await meetCases(left, l4Cases);
		ours = await meetCases(right, l4Cases);
	});
	after(() => {
		proxy?.close();
		balancing?.close();
		for (const world of worlds) world.close();
	});

	for (const [index, one] of l4Cases.entries())
		it(one.name, () => {
			const wrong = cellsOf(one, index + 1).flatMap((cell, at) => {
				const [their, our] = [theirs[index]?.[at], ours[index]?.[at]];
				assert.ok(their && our);
				const [theirProblem, ourProblem] = [their, our].map((met) => judge(cell, met, targetOf(one, cell.row)));
				const isSame = essence(their, cell.row.expect) === essence(our, cell.row.expect);
				return [
					...(theirProblem ? [`kube-proxy: ${cell.title}: ${theirProblem}`] : []),
					...(ourProblem ? [`Keepmesh: ${cell.title}: ${ourProblem}`] : []),
					...(isSame ? [] : [`${cell.title}: kube-proxy met ${inWords(their)}, Keepmesh ${inWords(our)}`]),
				];
			});
			assert.deepEqual(wrong, []);
		});
});

/** What must be equal. Which endpoint a client sticks to is chance. */
function essence(met: Met, expect: object | string): string {
	const sticks = typeof expect === "object" && "sticks" in expect;
	return JSON.stringify({
		answeredBy: sticks ? met.answeredBy.length : met.answeredBy,
		sources: sticks ? met.sources.length : met.sources,
		isRefused: met.refused > 0,
		isSilent: met.silent > 0,
		errors: met.errors,
	});
}

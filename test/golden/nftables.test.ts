// Golden texts of layer 4's rules: one for each thing that a balancer can say, without what every table has (`standing.nft`), and the
// scripts that lead from one plan to the next. `npm run golden` writes them anew: read the difference before committing it.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Balancer } from "../../src/l4/balancer.ts";
import { NftablesPlan } from "../../src/l4/nftables/nftables-plan.ts";
import { renderChanges, renderTables } from "../../src/l4/nftables/render-text.ts";
import type { NftTableContents } from "../../src/l4/nftables/ruleset.ts";
import type { NodeFacts } from "../../src/l4/node-facts.ts";
import { changeCases, type PlanCase, planCases, usualNode } from "./nftables-cases.ts";

const rewrites = process.env.KEEPMESH_GOLDEN === "rewrite";

describe("rules of layer 4", () => {
	it("standing", () => {
		compare("standing", renderTables(planOf([], usualNode).ruleset()));
	});
	for (const [name, each] of Object.entries(planCases)) it(name, () => compare(name, textOf(each)));
});

describe("changes of layer 4's rules", () => {
	for (const [name, { before, after }] of Object.entries(changeCases))
		it(name, () => {
			const plan = planOf(before, usualNode);
			plan.takeChanges();
			const owners = new Set([...before, ...after].map(({ owner }) => owner));
			for (const owner of owners)
				plan.set(
					owner,
					after.filter((balancer) => balancer.owner === owner),
				);
			compare(name, renderChanges(plan.takeChanges()));
		});
});

function planOf(balancers: readonly Balancer[], node: NodeFacts): NftablesPlan {
	const plan = new NftablesPlan(node);
	for (const [owner, list] of Map.groupBy(balancers, (balancer) => balancer.owner)) plan.set(owner, list);
	return plan;
}

function textOf({ balancers, node = usualNode }: PlanCase): string {
	const plan = planOf(balancers, node);
	const standing = planOf([], usualNode).ruleset();
	const tables = plan
		.ruleset()
		.map((table) => withoutStanding(table, standing))
		.filter(({ sets, chains }) => sets.length + chains.length > 0);
	const problems = plan.problems().map(({ owner, message }) => `# ${owner}: ${message}\n`);
	return problems.join("") + renderTables(tables);
}

function withoutStanding(contents: NftTableContents, standing: readonly NftTableContents[]): NftTableContents {
	const base = standing.find(({ table }) => table.family === contents.table.family);
	const isIn = (list: readonly unknown[] | undefined, each: unknown): boolean =>
		list?.some((one) => JSON.stringify(one) === JSON.stringify(each)) ?? false;
	return {
		table: contents.table,
		// Of a Maglev table the beginning is enough.
		sets: contents.sets
			.filter((set) => !isIn(base?.sets, set))
			.map(({ set, elements }) => ({ set, elements: elements.length > 1000 ? elements.slice(0, 12) : elements })),
		chains: contents.chains.filter((chain) => !isIn(base?.chains, chain)),
	};
}

function compare(name: string, text: string): void {
	const golden = join(import.meta.dirname, "nftables", `${name}.nft`);
	if (rewrites) writeFileSync(golden, text);
	assert.ok(existsSync(golden), `no ${name}.nft: npm run golden makes it`);
	assert.equal(text, readFileSync(golden, "utf8"));
}

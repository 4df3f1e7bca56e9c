import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import type { Balancer } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import { KernelModel } from "./kernel-model.testing.ts";
import { NftablesPlan } from "./nftables-plan.ts";
import type { PlanProblem } from "./plan-problem.ts";
import { type RandomBalancers, randomBalancers } from "./random-balancers.testing.ts";
import { renderTables } from "./render-text.ts";
import type { NftElement, NftRule, NftTableContents } from "./ruleset.ts";

const nodes: readonly NodeFacts[] = [
	{
		name: "n1",
		families: ["ipv4", "ipv6"],
		nodePortAddresses: ["192.0.2.1", "2001:db8::1"],
		localTraffic: { type: "ranges", ranges: ["10.244.0.0/16", "fd44::/64"] },
		masqueradeBit: 14,
		masqueradeAll: false,
		scheduler: "random",
	},
	{
		name: "n1",
		families: ["ipv4", "ipv6"],
		nodePortAddresses: ["192.0.2.1", "192.0.2.2"],
		localTraffic: { type: "ranges", ranges: ["10.244.0.0/16", "10.245.0.0/16", "10.244.7.0/24"] },
		masqueradeBit: 10,
		masqueradeAll: true,
		scheduler: "random",
	},
	{
		name: "n1",
		families: ["ipv4"],
		nodePortAddresses: [],
		localTraffic: { type: "interface", name: "veth", isPrefix: true },
		masqueradeBit: 14,
		masqueradeAll: false,
		scheduler: "random",
	},
	{
		name: "n1",
		families: ["ipv6", "ipv4"],
		nodePortAddresses: ["192.0.2.1"],
		masqueradeBit: 31,
		masqueradeAll: false,
		scheduler: "random",
	},
];

describe("a plan that changed many times", () => {
	for (const seed of [1, 2, 3])
		it(`is the same as a new one, whatever order the slots are in (seed ${seed})`, () => {
			walk(seed, 600, { schedulers: ["random", "random", "rr", "wrr", "sh", "lc"] }, (contents) =>
				renderTables(contents.map(withoutOrder)),
			);
		});

	it("is the same as a new one slot for slot, where the backends alone decide who stands where", () => {
		walk(4, 150, { schedulers: ["wrr", "sh", "maglev", "mh"] }, renderTables);
	});

	it("deletes no chain within a second of its last use, given the time, and all of them after", () => {
		const random = seededRandom(6);
		const plan = new NftablesPlan(facts(0));
		const kernel = new KernelModel();
		const unusedSince = new Map<string, number>();
		let deleted = 0;
		let nowMs = 0;
		for (let round = 0; round < 200; round++) {
			nowMs += Math.floor(random() * 500);
			for (const owner of ["a", "b"]) plan.set(owner, randomBalancers(owner, random, { schedulers: ["random", "rr"] }));
			const changes = plan.takeChanges(nowMs);
			for (const { table, change } of changes) {
				// Those that only rules lead to may go at once.
				if (change.type !== "deleteChain" || !/random|rr|svc/.test(change.chain)) continue;
				deleted += 1;
				assert.ok(nowMs - (unusedSince.get(`${table.family} ${change.chain}`) ?? nowMs) >= 1000, change.chain);
			}
			kernel.apply(changes);
			const used = new Set(
				plan.ruleset().flatMap(({ table, chains }) => chains.map(({ chain }) => `${table.family} ${chain.name}`)),
			);
			for (const { table, chains } of kernel.contents())
				for (const { chain } of chains) {
					const name = `${table.family} ${chain.name}`;
					if (used.has(name)) unusedSince.delete(name);
					else if (!unusedSince.has(name)) unusedSince.set(name, nowMs);
				}
		}
		assert.ok(deleted > 50, `only ${deleted} were deleted`);
		kernel.apply(plan.takeChanges(nowMs + 1000));
		assert.equal(renderTables(kernel.contents().map(withoutOrder)), renderTables(plan.ruleset().map(withoutOrder)));
	});

	it("has nothing left but what is always there when all owners are gone", () => {
		const random = seededRandom(5);
		const plan = new NftablesPlan(facts(0));
		const kernel = new KernelModel();
		for (let round = 0; round < 30; round++) {
			for (const owner of ["a", "b", "c"]) plan.set(owner, randomBalancers(owner, random));
			kernel.apply(plan.takeChanges());
		}
		for (const owner of ["a", "b", "c"]) plan.remove(owner);
		kernel.apply(plan.takeChanges());
		const empty = new KernelModel();
		empty.apply(new NftablesPlan(facts(0)).takeChanges());
		assert.equal(renderTables(kernel.contents()), renderTables(empty.contents()));
	});
});

function facts(index: number): NodeFacts {
	const node = nodes[index % nodes.length];
	assert.ok(node);
	return node;
}

function walk(
	seed: number,
	steps: number,
	options: RandomBalancers,
	print: (contents: readonly NftTableContents[]) => string,
): void {
	const random = seededRandom(seed);
	const owners = ["ns/a", "ns/b", "ns/c", "ns/d", "ns/e", "ns/f"];
	const wanted = new Map<string, readonly Balancer[]>();
	let node = facts(0);
	const plan = new NftablesPlan(node);
	const kernel = new KernelModel();
	for (let step = 0; step < steps; step++) {
		const updates = 1 + Math.floor(random() * 3);
		for (let update = 0; update < updates; update++) {
			const owner = owners[Math.floor(random() * owners.length)] ?? "ns/a";
			const draw = random();
			if (draw < 0.1) {
				wanted.delete(owner);
				plan.remove(owner);
			} else if (draw < 0.15) {
				node = facts(Math.floor(random() * nodes.length));
				plan.setNode(node);
			} else {
				// Two owners exchange what they have, or one changes a little, or all.
				const other = owners[Math.floor(random() * owners.length)] ?? "ns/a";
				const mine = wanted.get(owner) ?? [];
				const next =
					draw < 0.25
						? (wanted.get(other) ?? [])
						: draw < 0.6
							? mine.map((balancer) => (random() < 0.5 ? balancer : changedALittle(balancer, random)))
							: randomBalancers(owner, random, options);
				if (draw < 0.25) {
					wanted.set(other, mine);
					plan.set(other, mine);
				}
				wanted.set(owner, next);
				plan.set(owner, next);
			}
		}
		const foretold = step % 10 === 0 ? print(plan.ruleset()) : undefined;
		kernel.apply(plan.takeChanges());
		assert.deepEqual(plan.takeChanges(), [], "nothing is left to do");
		const fresh = new NftablesPlan(node);
		for (const owner of [...wanted.keys()].sort(() => random() - 0.5)) fresh.set(owner, wanted.get(owner) ?? []);
		const expected = new KernelModel();
		expected.apply(fresh.takeChanges());
		assert.equal(print(inOrder(kernel.contents())), print(inOrder(expected.contents())), `seed ${seed}, step ${step}`);
		if (foretold !== undefined)
			assert.equal(foretold, print(inOrder(kernel.contents(), node)), `ruleset(), seed ${seed}, step ${step}`);
		assert.deepEqual(plan.problems().map(problemText).sort(), fresh.problems().map(problemText).sort());
	}
}

function problemText({ owner, message }: PlanProblem): string {
	return `${owner}: ${message}`;
}

function changedALittle(balancer: Balancer, random: () => number): Balancer {
	const { outside } = balancer;
	if (outside.type !== "balance" || outside.backends.length < 2) return balancer;
	const gone = Math.floor(random() * outside.backends.length);
	return { ...balancer, outside: { ...outside, backends: outside.backends.filter((_, index) => index !== gone) } };
}

function inOrder(contents: readonly NftTableContents[], node?: NodeFacts): readonly NftTableContents[] {
	const families: readonly string[] = node?.families.map((family) => (family === "ipv4" ? "ip" : "ip6")) ?? [
		"ip",
		"ip6",
	];
	return contents.toSorted((a, b) => families.indexOf(a.table.family) - families.indexOf(b.table.family));
}

/** Slots of one front as a sorted list, counted from the front's first. */
function withoutOrder(contents: NftTableContents): NftTableContents {
	return {
		...contents,
		sets: contents.sets.map(({ set, elements }) => ({
			set,
			elements: set.key.includes("slot") ? sortedSlots(elements) : elements,
		})),
		chains: contents.chains.map(({ chain, rules }) => ({ chain, rules: rules.map(sortedPick) })),
	};
}

function sortedSlots(elements: readonly NftElement[]): readonly NftElement[] {
	const fronts = Map.groupBy(elements, ({ key }) => `${key.slice(0, -1).join(" ")} ${Number(key.at(-1)) >= 65536}`);
	return [...fronts.values()].flatMap((front) => {
		const keys = front.map(({ key }) => key).sort((a, b) => Number(a.at(-1)) - Number(b.at(-1)));
		keys.forEach((key, index) => {
			assert.equal(Number(key.at(-1)) % 65536, index, "slots have no hole");
		});
		const data = front.map((element) => element.data).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
		return keys.map((key, index) => ({ key, data: data[index] ?? [] }));
	});
}

function sortedPick(rule: NftRule): NftRule {
	return {
		...rule,
		statements: rule.statements.map((statement) =>
			statement.type === "pick"
				? {
						...statement,
						verdicts: statement.verdicts.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
					}
				: statement,
		),
	};
}

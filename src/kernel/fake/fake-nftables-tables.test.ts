// The fake against the real kernel: random transactions are taken or refused alike, for the same reason, and leave the same.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { describe, it } from "node:test";
import type { NftChange } from "../../l4/nftables/change.ts";

import type { NftElement, NftSet, NftStatement, NftTable, NftVerdict } from "../../l4/nftables/ruleset.ts";
import { createRig } from "../../node/namespace-rig.testing.ts";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import { openNftablesTables } from "../linux/nftables/linux-nftables-tables.ts";
import type { NftablesTables, Written } from "../nftables-tables.ts";
import { FakeNftablesTables } from "./fake-nftables-tables.ts";

const cannotRun =
	process.getuid?.() !== 0 ? "needs root" : spawnSync("nft", ["--version"]).status !== 0 ? "needs nft" : undefined;

const table: NftTable = { family: "ip", name: "alike" };
const verdicts: NftSet = { name: "verdicts", key: ["inet_service"], data: "verdict" };
const targets: NftSet = { name: "targets", key: ["ipv4_addr", "inet_service"], data: ["ipv4_addr", "inet_service"] };
const ranges: NftSet = { name: "ranges", key: ["ipv4_addr"], interval: true };
const pairs: NftSet = { name: "pairs", key: ["inet_service", "ipv4_addr"], interval: true };
const seen: NftSet = { name: "seen", key: ["ipv4_addr"], dynamic: { timeoutSec: 60, size: 100 } };
const sets = [verdicts, targets, ranges, pairs, seen];
const chains = ["a", "b", "c", "in", "nat"];

class RandomChanges {
	readonly #random: () => number;

	constructor(random: () => number) {
		this.#random = random;
	}

	transaction(): readonly NftChange[] {
		const changes = Array.from({ length: this.#pick([1, 1, 1, 2, 3]) }, () => this.#change());
		if (this.#below(20) > 0) return changes;
		const set = this.#pick(sets);
		return [...changes, { type: "addSet", set }, { type: "addSet", set: { ...set, key: ["mark"] } }];
	}

	#below(count: number): number {
		return Math.floor(this.#random() * count);
	}

	#pick<Thing>(things: readonly Thing[]): Thing {
		return things[this.#below(things.length)] as Thing;
	}

	#change(): NftChange {
		const roll = this.#below(100);
		if (roll === 0 && this.#below(3) === 0) return { type: "deleteTable" };
		if (roll < 4) return { type: "addTable" };
		if (roll < 16) return { type: "addSet", set: this.#pick(sets) };
		if (roll < 18) return { type: "deleteSet", set: this.#pick(sets).name };
		if (roll < 35) return this.#chain();
		if (roll < 40) return { type: "flushChain", chain: this.#pick(chains) };
		if (roll < 43) return { type: "deleteChain", chain: this.#pick(chains) };
		if (roll < 62)
			return {
				type: "addRule",
				chain: this.#pick(chains),
				rule: { statements: [this.#statement(), { type: "counter" }] },
			};
		const set = this.#pick(sets);
		const elements = Array.from({ length: 1 + this.#below(2) }, () => this.#element(set));
		return { type: roll < 84 ? "addElements" : "deleteElements", set, elements };
	}

	#chain(): NftChange {
		const name = this.#pick(chains);
		const priority = this.#below(8) === 0 ? 5 : 0;
		if (name === "in") return { type: "addChain", chain: { name, hook: { type: "filter", hook: "input", priority } } };
		if (name === "nat")
			return { type: "addChain", chain: { name, hook: { type: "nat", hook: "prerouting", priority } } };
		return { type: "addChain", chain: { name } };
	}

	#verdict(): NftVerdict {
		const type = this.#pick(["goto", "jump", "accept", "drop"] as const);
		return type === "goto" || type === "jump"
			? { type, chain: this.#pick(["a", "b", "c", "a", "b", "c", "in"]) }
			: { type };
	}

	#statement(): NftStatement {
		switch (this.#below(8)) {
			case 0:
				return { type: "in", key: ["ip saddr"], set: this.#pick(["ranges", "seen"]) };
			case 1:
				return { type: "vmap", key: ["th dport"], map: this.#pick(["verdicts", "verdicts", "ranges"]) };
			case 2:
				return { type: "dnatMap", protocol: ["tcp", "udp"], key: ["ip daddr", "th dport"], map: "targets" };
			case 3:
				return { type: "update", key: ["ip saddr"], set: this.#pick(["seen", "ranges"]) };
			case 4:
				return { type: "pick", by: { numgen: "random", mod: 2 }, verdicts: [this.#verdict(), this.#verdict()] };
			case 5:
				return this.#pick([
					{ type: "masquerade", fullyRandom: true },
					{ type: "reject", with: "portUnreachable" },
				]);
			default:
				return { type: "verdict", verdict: this.#verdict() };
		}
	}

	#element(set: NftSet): NftElement {
		const port = 1 + this.#below(4);
		const address = `10.0.0.${this.#below(4)}`;
		// Overlaps only where the kernel sees them: it misses those that end together.
		const range = this.#pick([address, `10.0.${1 + this.#below(2)}.0/31`, "10.0.3.0-10.0.3.8"]);
		const inside = this.#pick([range, range, "10.0.3.2-10.0.3.20"]);
		switch (set) {
			case verdicts:
				return this.#below(20) === 0 ? { key: [port] } : { key: [port], data: this.#verdict() };
			case targets:
				return { key: [address, port], data: [`10.1.0.${this.#below(2)}`, 80] };
			case ranges:
				return { key: [inside] };
			case pairs:
				return { key: [port, inside] };
			default:
				return { key: [address] };
		}
	}
}

describe("nftables in memory", { skip: cannotRun ?? false }, () => {
	for (const seed of [1, 2])
		it(`takes and refuses what the kernel does, and holds the same (seed ${seed})`, () => {
			const rig = createRig();
			const opened = openNftablesTables({ netns: `/run/netns/${rig.hub}` });
			assert.ok(opened.ok);
			const kernel = opened.value;
			const fake = new FakeNftablesTables();
			const random = new RandomChanges(seededRandom(seed));
			const counts = { taken: 0, refused: 0 };
			try {
				const first: readonly NftChange[] = [
					{ type: "addTable" },
					...sets.map((set) => ({ type: "addSet", set }) as const),
					...["a", "b", "c"].map((name) => ({ type: "addChain", chain: { name } }) as const),
				];
				for (const tables of [kernel, fake]) assert.ok(tables.apply(first.map((change) => ({ table, change }))).ok);
				for (let step = 0; step < 200; step++) {
					const changes = random.transaction().map((change) => ({ table, change }));
					const [taken, alike] = [kernel.apply(changes), fake.apply(changes)];
					const what = `step ${step}: ${JSON.stringify(changes)} ${JSON.stringify(taken)} ${JSON.stringify(alike)}`;
					assert.equal(alike.ok, taken.ok, what);
					// Of several faults the kernel may see another one first.
					if (changes.length === 1) assert.equal(outcome(alike), outcome(taken), what);
					counts[taken.ok ? "taken" : "refused"]++;
					assert.deepEqual(contents(fake), contents(kernel), `step ${step}: ${JSON.stringify(changes)}`);
				}
				assert.ok(counts.taken > 30 && counts.refused > 30, JSON.stringify(counts));
			} finally {
				kernel.close();
				rig.close();
			}
		});
});

const outcome = (written: Written): string => (written.ok ? "taken" : written.because);

function contents(tables: NftablesTables): unknown {
	const read = tables.read(table);
	return (
		read && {
			chains: read.chains.toSorted((a, b) => a.name.localeCompare(b.name)),
			sets: read.sets
				.toSorted()
				.map((name) => [name, elementsOf(tables, sets.find((set) => set.name === name) ?? verdicts)]),
		}
	);
}

const elementsOf = (tables: NftablesTables, set: NftSet): readonly string[] =>
	tables
		.elements(table, set)
		// Time runs in the kernel only.
		.map(({ remainingMs: _, ...element }) => JSON.stringify(element))
		.sort();

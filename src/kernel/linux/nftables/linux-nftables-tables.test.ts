// Our tables in the real kernel, in a namespace of their own, seen through nft as an operator would.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { after, before, beforeEach, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { NftChange } from "../../../l4/nftables/change.ts";
import { renderChanges } from "../../../l4/nftables/render-text.ts";
import type { NftElement, NftSet, NftTable } from "../../../l4/nftables/ruleset.ts";
import { createRig, type Rig } from "../../../node/namespace-rig.testing.ts";
import type { NftablesTables, Written } from "../../nftables-tables.ts";
import { everyStatement } from "./every-statement.testing.ts";
import { openNftablesTables } from "./linux-nftables-tables.ts";

const cannotRun =
	process.getuid?.() !== 0 ? "needs root" : spawnSync("nft", ["--version"]).status !== 0 ? "needs nft" : undefined;

const table: NftTable = { family: "ip", name: "keepmesh-test" };
const numbers: NftSet = { name: "numbers", key: ["ipv4_addr", "inet_service"], data: ["ipv4_addr", "inet_service"] };
const address = (number: number) => `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
const element = (number: number, port = 80): NftElement => ({
	key: [address(number), 80],
	data: [address(number), port],
});
const bySize = (a: NftElement, b: NftElement) => JSON.stringify(a).localeCompare(JSON.stringify(b));

describe("nftables by netlink", { skip: cannotRun ?? false }, () => {
	let rig: Rig;
	let tables: NftablesTables;
	before(() => {
		rig = createRig();
		tables = open();
	});
	after(() => {
		tables.close();
		rig.close();
	});
	beforeEach(() => {
		nft("flush ruleset");
	});

	const open = (): NftablesTables => {
		const opened = openNftablesTables({ netns: `/run/netns/${rig.hub}` });
		assert.ok(opened.ok);
		return opened.value;
	};
	const nft = (script: string): string =>
		execFileSync("ip", ["netns", "exec", rig.hub, "nft", "-f", "-"], { input: script, encoding: "utf8" });
	const listing = (): string =>
		execFileSync("ip", ["netns", "exec", rig.hub, "nft", "list", "ruleset"], { encoding: "utf8" });
	const apply = (...changes: readonly NftChange[]): Written =>
		tables.apply(changes.map((change) => ({ table, change })));
	const withNumbers = (...elements: readonly NftElement[]): Written =>
		apply({ type: "addTable" }, { type: "addSet", set: numbers }, { type: "addElements", set: numbers, elements });
	const failure = (written: Written): string => {
		assert.ok(!written.ok);
		return written.message;
	};

	for (const family of ["ip", "ip6"] as const) {
		it(`lists in nft as if nft had read the text (${family})`, () => {
			const { changes } = everyStatement(family);
			const written = tables.apply(changes);
			assert.ok(written.ok, JSON.stringify(written));
			const ours = listing();
			nft("flush ruleset");
			nft(renderChanges(changes));
			assert.equal(unordered(ours), unordered(listing()));
		});

		it(`prints what nft can load again (${family})`, () => {
			assert.ok(tables.apply(everyStatement(family).changes).ok);
			const ours = listing();
			nft("flush ruleset");
			nft(ours);
			assert.equal(unordered(listing()), unordered(ours));
		});

		it(`reads back every kind of element as it was written (${family})`, () => {
			const { table: of, sets, changes } = everyStatement(family);
			assert.ok(tables.apply(changes).ok);
			for (const { set, elements } of sets)
				assert.deepEqual(tables.elements(of, set).toSorted(bySize), elements.toSorted(bySize), set.name);
		});
	}

	it("takes all of a transaction or nothing", () => {
		assert.ok(withNumbers(element(1)).ok);
		const before = listing();
		const written = apply(
			{ type: "addElements", set: numbers, elements: [element(2)] },
			{ type: "deleteElements", set: numbers, elements: [element(1)] },
			{ type: "addChain", chain: { name: "new" } },
			{ type: "deleteElements", set: numbers, elements: [element(3)] },
		);
		assert.ok(!written.ok);
		assert.equal(listing(), before);
	});

	it("names the change that was refused, and why", () => {
		assert.ok(withNumbers(element(1)).ok);
		const add = (...elements: readonly NftElement[]): NftChange => ({ type: "addElements", set: numbers, elements });
		assert.equal(
			failure(apply(add(element(2)), { type: "deleteElements", set: numbers, elements: [element(7)] })),
			"delete element 10.0.0.7 . 80 from numbers of table ip keepmesh-test: there is no such thing",
		);
		assert.match(failure(apply(add(element(1, 81)))), /^add element 10\.0\.0\.1 \. 80 to numbers .* there already/);
		assert.match(
			failure(apply({ type: "addChain", chain: { name: "a" } }, { type: "deleteChain", chain: "b" })),
			/^delete chain b of table ip keepmesh-test: there is no such thing/,
		);
		const goto = { statements: [{ type: "verdict", verdict: { type: "goto", chain: "nowhere" } }] } as const;
		assert.match(
			failure(apply({ type: "addChain", chain: { name: "a" } }, { type: "addRule", chain: "a", rule: goto })),
			/^add a rule \(verdict\) to chain a of table ip keepmesh-test: /,
		);
		assert.match(
			failure(tables.apply([{ table: { family: "ip6", name: "none" }, change: { type: "deleteTable" } }])),
			/^delete table ip6 none: there is no such thing/,
		);
	});

	it("names the first of more refusals than fit into the socket", () => {
		const many = Array.from({ length: 50_000 }, (_, number): NftChange => {
			return { type: "deleteElements", set: numbers, elements: [element(number)] };
		});
		assert.match(
			failure(apply(...many)),
			/^delete element 10\.0\.0\.0 \. 80 from numbers of .*: there is no such thing/,
		);
		assert.ok(withNumbers(element(1)).ok, "and the next transaction is answered as usual");
	});

	it("refuses to take a chain away while something jumps to it", () => {
		const chain = (name: string): NftChange => ({ type: "addChain", chain: { name } });
		const jump = { statements: [{ type: "verdict", verdict: { type: "jump", chain: "b" } }] } as const;
		assert.ok(apply({ type: "addTable" }, chain("a"), chain("b"), { type: "addRule", chain: "a", rule: jump }).ok);
		const written = apply({ type: "deleteChain", chain: "b" });
		assert.ok(!written.ok && written.because === "busy", JSON.stringify(written));
		assert.ok(apply({ type: "flushChain", chain: "a" }, { type: "deleteChain", chain: "b" }).ok);
	});

	it("writes 100,000 elements in one transaction, and replaces the table in one", () => {
		const many = Array.from({ length: 100_000 }, (_, number) => element(number));
		const written = withNumbers(...many);
		assert.ok(written.ok && written.bytes > 3e6, JSON.stringify(written));
		assert.equal(tables.elements(table, numbers).length, many.length);
		const replaced = apply(
			{ type: "deleteTable" },
			{ type: "addTable" },
			{ type: "addSet", set: numbers },
			{ type: "addElements", set: numbers, elements: [element(5, 5)] },
		);
		assert.ok(replaced.ok);
		assert.deepEqual(tables.elements(table, numbers), [element(5, 5)]);
	});

	it("moves an element's data in one transaction", () => {
		assert.ok(withNumbers(element(1, 1)).ok);
		const written = apply(
			{ type: "deleteElements", set: numbers, elements: [{ key: element(1).key }] },
			{ type: "addElements", set: numbers, elements: [element(1, 2)] },
		);
		assert.ok(written.ok);
		assert.deepEqual(tables.elements(table, numbers), [element(1, 2)]);
	});

	it("tells what a table holds, and that there is none", () => {
		assert.equal(tables.read(table), undefined);
		assert.deepEqual(tables.elements(table, numbers), []);
		const counter = { statements: [{ type: "counter" }] } as const;
		assert.ok(withNumbers().ok);
		assert.ok(
			apply(
				{ type: "addChain", chain: { name: "a" } },
				{ type: "addChain", chain: { name: "b" } },
				{ type: "addRule", chain: "b", rule: counter },
				{ type: "addRule", chain: "b", rule: counter },
			).ok,
		);
		nft("add table ip6 keepmesh-test; add table ip other; add chain ip other c; add rule ip other c counter");
		assert.deepEqual(tables.read(table), {
			chains: [
				{ name: "a", rules: 0 },
				{ name: "b", rules: 2 },
			],
			sets: ["numbers"],
		});
	});

	it("tells of what others do to its tables, and of nothing else", async () => {
		assert.ok(withNumbers(element(1)).ok);
		const told: string[] = [];
		const cancel = tables.watch([table], (what) => told.push(what));
		assert.ok(apply({ type: "addElements", set: numbers, elements: [element(2)] }).ok);
		nft("add table ip other; add table ip6 keepmesh-test; add chain ip other c");
		nft("add element ip keepmesh-test numbers { 10.0.0.9 . 80 : 10.0.0.9 . 80 }");
		await until(() => told.length > 0);
		assert.match(told.join("; "), /^table ip keepmesh-test: elements were added, by nft \(process \d+\)$/);
		told.length = 0;
		nft("flush ruleset");
		await until(() => told.length > 0);
		assert.match(told.join("; "), /^table ip keepmesh-test: .*the table was deleted, by nft/);
		cancel();
		const other = open();
		nft("add table ip keepmesh-test");
		other.close();
		await sleep(20);
		assert.equal(told.length, 1);
	});

	it("tells a second process's changes from its own", async () => {
		assert.ok(withNumbers(element(1)).ok);
		const other = open();
		const told: string[] = [];
		const cancel = other.watch([table], (what) => told.push(what));
		assert.ok(apply({ type: "addElements", set: numbers, elements: [element(2)] }).ok);
		await until(() => told.length > 0);
		assert.match(told[0] ?? "", /elements were added/);
		cancel();
		other.close();
	});

	it("says what to do when it may not", () => {
		const script = `import { openNftablesTables } from ${JSON.stringify(`${import.meta.dirname}/linux-nftables-tables.ts`)};
			const opened = openNftablesTables();
			console.log(JSON.stringify(opened.value.apply([{ table: { family: "ip", name: "x" }, change: { type: "addTable" } }])));`;
		const args = ["--bounding-set=-all", "--inh-caps=-all", process.execPath, "--no-warnings", "--input-type=module"];
		const output = execFileSync("setpriv", [...args, "-e", script], { encoding: "utf8" });
		assert.match(output, /"because":"notPermitted".*run as root, or give the process CAP_NET_ADMIN/);
	});
});

async function until(isSo: () => boolean): Promise<void> {
	for (let attempt = 0; attempt < 500 && !isSo(); attempt++) await sleep(10);
	assert.ok(isSo());
}

/** Without the order of elements, which is that of a hash table, and without the names of sets' types. */
function unordered(text: string): string {
	const lines = text.replace(/elements = \{([^}]*)\}/g, (_, elements: string) =>
		elements
			.split(",")
			.map((each) => each.trim())
			.sort()
			.join(", "),
	);
	return lines.replace(/^\t\ttype(of)? [^;{}]*?(: [^;]*)?$/gm, "");
}

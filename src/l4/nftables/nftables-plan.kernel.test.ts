import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { openNftablesTables } from "../../kernel/linux/nftables/linux-nftables-tables.ts";
import type { NftablesTables } from "../../kernel/nftables-tables.ts";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import type { Backend, Balancer } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import { NftablesPlan } from "./nftables-plan.ts";
import { randomBalancers } from "./random-balancers.testing.ts";
import { renderChanges, renderElement, renderTables } from "./render-text.ts";
import type { NftElement, NftTableContents } from "./ruleset.ts";

const namespace = `l4plan-${process.pid}`;
const canRun = process.getuid?.() === 0 && spawnSync("nft", ["--version"]).status === 0;

const node: NodeFacts = {
	name: "n1",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: ["192.0.2.1", "2001:db8::1"],
	localTraffic: { type: "ranges", ranges: ["10.244.0.0/16", "fd44::/64"] },
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};
const otherNode: NodeFacts = {
	...node,
	nodePortAddresses: ["192.0.2.2"],
	localTraffic: { type: "ranges", ranges: ["10.244.0.0/17", "10.0.0.0/16", "fd00::/8"] },
	masqueradeBit: 10,
};
const bridgeNode: NodeFacts = {
	...node,
	families: ["ipv4"],
	localTraffic: { type: "interface", name: "veth", isPrefix: true },
};

describe("the kernel", { skip: canRun ? false : "needs root and nft" }, () => {
	let tables: NftablesTables;
	before(() => {
		ip("netns", "add", namespace);
		const opened = openNftablesTables({ netns: `/run/netns/${namespace}` });
		assert.ok(opened.ok);
		tables = opened.value;
	});
	after(() => {
		tables.close();
		ip("netns", "del", namespace);
	});

	for (const seed of [11, 12])
		it(`takes every transaction of a plan and then holds what the plan says (seed ${seed})`, () => {
			const random = seededRandom(seed);
			const plan = new NftablesPlan(node);
			let now = node;
			const owners = ["ns/a", "ns/b", "ns/c", "ns/d"];
			const wanted = new Map<string, readonly Balancer[]>();
			for (let step = 0; step < 250; step++) {
				if (random() < 0.1) {
					now = [node, otherNode, bridgeNode][Math.floor(random() * 3)] ?? node;
					plan.setNode(now);
				}
				for (let update = 0; update < 2; update++) {
					const owner = owners[Math.floor(random() * owners.length)] ?? "ns/a";
					const next =
						random() < 0.1 ? [] : randomBalancers(owner, random, { schedulers: ["random", "rr", "wrr", "sh"] });
					wanted.set(owner, next);
					plan.set(owner, next);
				}
				const changes = plan.takeChanges();
				const written = tables.apply(changes);
				assert.ok(written.ok, `step ${step}: ${JSON.stringify(written)}\n${renderChanges(changes)}`);
				if (step % 10 !== 0) continue;
				const contents = plan.ruleset();
				assert.deepEqual(linesOfKernel(), linesOf(contents), `step ${step}`);
				for (const { table, sets } of contents)
					for (const { set, elements } of sets.filter(
						(each) => Array.isArray(each.set.data) || listedOtherwise(each.set.name),
					))
						assert.deepEqual(texts(tables.elements(table, set)), texts(elements), `step ${step}: ${set.name}`);
			}
		});

	it("takes the same as text: the first script of a plan, and the listing", () => {
		const random = seededRandom(13);
		const plan = new NftablesPlan(node);
		for (const owner of ["ns/a", "ns/b", "ns/c", "ns/d", "ns/e", "ns/f"])
			plan.set(owner, randomBalancers(owner, random));
		assert.equal(nft(["flush", "ruleset"], "").status, 0);
		for (const text of [renderTables(plan.ruleset()), renderChanges(plan.takeChanges())]) {
			const checked = nft(["-c", "-f", "-"], text);
			assert.equal(checked.status, 0, checked.stderr);
		}
	});

	it("keeps no memory for clients that may never come, and remembers 65,535 of them at most", () => {
		const backends = Array.from({ length: 400 }, (_, index): Backend => {
			const address = `10.30.${index >> 8}.${index & 255}`;
			return { address, port: 80, weight: 1, local: false, forwarding: { method: "NAT" } };
		});
		const plan = new NftablesPlan({ ...node, families: ["ipv4"] });
		plan.set("ns/a", [
			{
				owner: "ns/a",
				front: { family: "ipv4", type: "clusterIP", address: "10.96.0.1" },
				protocol: "tcp",
				port: 80,
				scheduler: "random",
				affinity: { timeoutSec: 10_800 },
				outside: { type: "balance", backends, masquerade: "never" },
			},
		]);
		const written = tables.apply(plan.takeChanges());
		assert.ok(written.ok, JSON.stringify(written));
		assert.ok(written.tookMs < 1000, `${written.tookMs} ms: 2 MB for each of 400 backends take 2 s`);
		const listed = nft(["list", "table", "ip", "keepmesh-l4"], "").stdout;
		assert.equal(listed.match(/size 65535/g)?.length, 400);
	});
});

/** nft prints marks of interval sets with their bytes turned round. */
function listedOtherwise(set: string): boolean {
	return set.startsWith("sources-of-mark");
}

interface Listed {
	readonly map?: ListedSet;
	readonly set?: ListedSet;
	readonly chain?: { readonly family: string; readonly name: string };
	readonly rule?: { readonly family: string; readonly chain: string; readonly comment?: string };
}
interface ListedSet {
	readonly family: string;
	readonly name: string;
	readonly elem?: readonly unknown[];
}

/** Names of chains with the number of their rules, and elements of sets: keys and verdicts. */
function linesOfKernel(): readonly string[] {
	const { nftables } = JSON.parse(nft(["-j", "list", "ruleset"], "").stdout) as { nftables: readonly Listed[] };
	const rules = Map.groupBy(
		nftables.flatMap(({ rule }) => (rule ? [rule] : [])),
		({ family, chain }) => `${family} ${chain}`,
	);
	const lines: string[] = [];
	for (const { chain, map, set } of nftables) {
		if (chain)
			lines.push(`${chain.family} chain ${chain.name}: ${rules.get(`${chain.family} ${chain.name}`)?.length ?? 0}`);
		const list = map ?? set;
		if (list !== undefined) {
			lines.push(`${list.family} set ${list.name}`);
			for (const element of listedOtherwise(list.name) ? [] : (list.elem ?? []))
				lines.push(`${list.family} ${list.name} ${listedElement(element)}`);
		}
	}
	return lines.sort();
}

function listedElement(element: unknown): string {
	if (!Array.isArray(element)) return listedValue(element);
	const [key, verdict] = element as [unknown, Record<string, unknown>];
	const [type = "", to] = Object.entries(verdict)[0] ?? [];
	if (type === "concat") return listedValue(key);
	return `${listedValue(key)} : ${to === null ? type : `${type} ${(to as { target: string }).target}`}`;
}

function listedValue(value: unknown): string {
	if (typeof value !== "object" || value === null) return String(value);
	if ("concat" in value) return (value.concat as readonly unknown[]).map(listedValue).join(" . ");
	if ("prefix" in value) {
		const { addr, len } = value.prefix as { addr: string; len: number };
		return `${addr}/${len}`;
	}
	return JSON.stringify(value);
}

function linesOf(tables: readonly NftTableContents[]): readonly string[] {
	return tables
		.flatMap(({ table: { family }, sets, chains }) => [
			...chains.map(({ chain, rules }) => `${family} chain ${chain.name}: ${rules.length}`),
			...sets.flatMap(({ set, elements }) => [
				`${family} set ${set.name}`,
				...(listedOtherwise(set.name) ? [] : elements).map(
					(element) => `${family} ${set.name} ${elementText(element)}`,
				),
			]),
		])
		.sort();
}

function texts(elements: readonly NftElement[]): readonly string[] {
	return elements.map(renderElement).sort();
}

function elementText({ key, data }: NftElement): string {
	const text = key.join(" . ");
	if (data === undefined || !("type" in data)) return text;
	return `${text} : ${"chain" in data ? `${data.type} ${data.chain}` : data.type}`;
}

function nft(args: readonly string[], input: string) {
	return spawnSync("ip", ["netns", "exec", namespace, "nft", ...args], { input, encoding: "utf8", maxBuffer: 1e8 });
}

function ip(...args: readonly string[]): void {
	const { status, stderr } = spawnSync("ip", args, { encoding: "utf8" });
	assert.equal(status, 0, stderr);
}

// Hundreds of changes by chance, each brought to the kernel as a difference: what the kernel has then is what a plan from nothing would make.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { IpvsPlan } from "../../src/l4/ipvs/ipvs-plan.ts";
import { Chance, randomBalancers, walkNode } from "../../src/l4/ipvs/random-balancers.testing.ts";
import { renderDestination, renderLocalRoute, renderServer } from "../../src/l4/ipvs/render-text.ts";
import type { NftElement } from "../../src/l4/nftables/ruleset.ts";
import { type BalancingNode, network } from "./network.testing.ts";

const seed = 20_261_121;
const steps = 300;

describe("a random walk over balancers", () => {
	let node: BalancingNode;
	before(async () => {
		({ node } = await network());
		node.clear();
	});
	after(() => node.clear());

	it(`leaves the kernel as a plan from nothing would, at each of ${steps} steps`, () => {
		const chance = new Chance(seed);
		const plan = new IpvsPlan(walkNode);
		const wanted = new Map<string, ReturnType<typeof randomBalancers>>();
		plan.adopt({ servers: [], owned: new Set(), routes: [] });
		for (let at = 0; at < steps; at++) {
			const owner = `default/${chance.below(6)}`;
			const balancers = randomBalancers(chance, owner);
			wanted.set(owner, balancers);
			plan.set(owner, balancers);
			bring(plan);
			const fresh = new IpvsPlan(walkNode);
			for (const [name, own] of wanted) fresh.set(name, own);
			const text = `seed ${seed}, step ${at}`;
			assert.deepEqual(kernelServers(), wantedServers(fresh), text);
			assert.deepEqual(
				node.routes.read().map(renderLocalRoute).sort(),
				fresh.wantedRoutes().map(renderLocalRoute).sort(),
				text,
			);
			// Reading sets is slow in the guest.
			if (at % 10 === 0) assert.deepEqual(kernelElements(fresh), wantedElements(fresh), text);
		}
	});

	/** All of it, and as if no connection kept a leaving destination. */
	function bring(plan: IpvsPlan): void {
		for (let round = 0; round < 2; round++) {
			const { ipvs, left, routes, tables } = plan.takeChanges();
			for (const route of routes.remove) assert.ok(node.routes.remove(route).ok);
			if (tables.length > 0) {
				const written = node.tables.apply(tables);
				assert.ok(written.ok, written.ok ? "" : written.message);
			}
			assert.deepEqual(node.ipvs.apply(ipvs).failed, []);
			for (const route of routes.add) assert.ok(node.routes.add(route).ok);
			plan.drained(left);
		}
	}

	function kernelServers(): readonly string[] {
		const read = node.ipvs.read();
		assert.ok(read.ok);
		return read.servers
			.flatMap(({ server, destinations }) => [
				renderServer(server),
				...destinations.map(({ destination }) => renderDestination(server.key, destination)),
			])
			.sort();
	}

	function wantedServers(plan: IpvsPlan): readonly string[] {
		return plan
			.wantedServers()
			.flatMap(({ server, destinations }) => [
				renderServer(server),
				...[...destinations.values()].map((destination) => renderDestination(server.key, destination)),
			])
			.sort();
	}

	function kernelElements(plan: IpvsPlan): readonly string[] {
		return plan
			.ruleset()
			.flatMap(({ sets, table }) =>
				sets.flatMap(({ set }) => node.tables.elements(table, set).map((element) => textOf(set.name, element))),
			)
			.sort();
	}

	function wantedElements(plan: IpvsPlan): readonly string[] {
		const all = plan
			.ruleset()
			.flatMap(({ sets }) => sets.flatMap(({ elements, set }) => elements.map((element) => textOf(set.name, element))));
		return [...new Set(all)].sort();
	}
});

const textOf = (set: string, { data, key }: NftElement): string =>
	`${set} ${key.join(" ")} ${JSON.stringify(data ?? "")}`;

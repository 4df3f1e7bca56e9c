import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Balancer } from "../balancer.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { SchedulerName } from "../scheduler.ts";
import { KernelModel } from "./kernel-model.testing.ts";
import { NftablesPlan } from "./nftables-plan.ts";
import { renderTables } from "./render-text.ts";

const node: NodeFacts = {
	name: "n1",
	families: ["ipv4"],
	nodePortAddresses: [],
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};

function balancer(number: number, endpoints: number, scheduler: SchedulerName = "random"): Balancer {
	return {
		owner: `ns/s${number}`,
		front: { type: "clusterIP", family: "ipv4", address: `10.96.${number >> 8}.${number & 255}` },
		protocol: "tcp",
		port: 80,
		scheduler,
		outside: {
			type: "balance",
			masquerade: "never",
			backends: Array.from({ length: endpoints }, (_, index) => ({
				address: `10.244.0.${index + 1}`,
				port: 8080,
				weight: 1,
				local: false,
				forwarding: { method: "NAT" },
			})),
		},
	};
}

function planOf(count: number, endpoints: number, scheduler?: SchedulerName) {
	const plan = new NftablesPlan(node);
	const kernel = new KernelModel();
	for (let number = 0; number < count; number++) plan.set(`ns/s${number}`, [balancer(number, endpoints, scheduler)]);
	kernel.apply(plan.takeChanges());
	const takes = (nowMs?: number): ReadonlySet<string> => {
		const changes = plan.takeChanges(nowMs);
		kernel.apply(changes);
		return new Set(changes.map(({ change }) => change.type));
	};
	const chains = (): readonly string[] =>
		kernel.contents().flatMap((table) => table.chains.map(({ chain }) => chain.name));
	return { plan, kernel, takes, chains };
}

describe("a table of a thousand fronts", () => {
	for (const scheduler of ["random", "sh"] satisfies SchedulerName[])
		it(`has chains for more and for fewer endpoints before anybody has as many (${scheduler})`, () => {
			const { plan, takes } = planOf(1000, 3, scheduler);
			for (const endpoints of [4, 5, 4, 2, 1, 3, 19]) {
				plan.set("ns/s7", [balancer(7, endpoints, scheduler)]);
				assert.deepEqual(takes(), new Set(["addElements", "deleteElements"]), `${endpoints} endpoints`);
			}
		});

	it("has the chains of Maglev's larger tables", () => {
		const { chains } = planOf(1000, 1, "maglev");
		assert.deepEqual(
			chains().filter((name) => name.startsWith("maglev")),
			["maglev-1021", "maglev-4093", "maglev-16381", "maglev-65521"],
		);
	});

	it("makes a chain that is far away when it is wanted, and keeps it", () => {
		const { plan, takes } = planOf(1000, 3);
		plan.set("ns/s7", [balancer(7, 40)]);
		assert.ok(takes().has("addChain"));
		for (const endpoints of [3, 40]) {
			plan.set("ns/s7", [balancer(7, endpoints)]);
			assert.deepEqual(takes(), new Set(["addElements", "deleteElements"]));
		}
	});

	for (const [when, nowMs] of [
		["at once", undefined],
		["after a second", 5000],
	] as const)
		it(`gives them up once most fronts are gone (${when})`, () => {
			const { plan, kernel, takes } = planOf(1000, 3);
			for (let number = 499; number < 1000; number++) plan.remove(`ns/s${number}`);
			takes(nowMs);
			if (nowMs !== undefined) takes(nowMs + 1000);
			assert.equal(renderTables(kernel.contents()), renderTables(plan.ruleset()));
			assert.ok(!renderTables(plan.ruleset()).includes("chain random-4 "));
		});
});

describe("a table of a few fronts", () => {
	it("has only chains that somebody uses", () => {
		const { chains } = planOf(999, 3);
		assert.deepEqual(
			chains().filter((name) => name.startsWith("random")),
			["random-3"],
		);
	});
});

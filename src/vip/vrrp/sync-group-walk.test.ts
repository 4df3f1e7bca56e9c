// Random trouble for sync groups: two or three nodes, each with one virtual router on each of two LANs that move together. Some
// time after the last trouble the same node owns on both LANs, and nobody else on any.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import type { SyncGroupConfig } from "../vip-config.ts";
import { instanceForTest } from "./instance-config.testing.ts";
import { leavesTo } from "./instance-hearing.ts";
import type { InstanceRole } from "./instance-state.ts";
import { SimulatedLan, type SimulatedRouter } from "./lan-simulator.testing.ts";
import { initialSyncGroupState, type SyncGroupEvent, type SyncGroupState, stepSyncGroup } from "./sync-group.ts";

const rounds = 300;
const ms = 1000;
const config: SyncGroupConfig = { name: "both", members: ["0", "1"], tracked: [], usesWeights: false, notify: {} };

/** Two LANs in step; node N has router N on each. */
class PairOfLans {
	readonly lans: readonly SimulatedLan[];
	readonly groups: SyncGroupState[] = [];
	readonly #roles = new Map<SimulatedRouter, InstanceRole>();

	/** A priority for each node; on the second LAN its own, or the same. */
	constructor(random: () => number, priorities: readonly number[], others = priorities) {
		this.lans = config.members.map(() => new SimulatedLan({ random, minDelayUs: 10, maxDelayUs: 1_000, loss: 0 }));
		for (const lan of this.lans) {
			lan.onStep = (router) => this.#follow(lan, router);
			lan.heldBack = ({ index }) => {
				const other = this.lans.find((one) => one !== lan)?.routers[index];
				return other && leavesTo(other.config, other.state, lan.nowUs);
			};
		}
		for (const [node, priority] of priorities.entries()) {
			this.groups.push(initialSyncGroupState);
			for (const [index, lan] of this.lans.entries())
				lan.add(instanceForTest({ priority: index === 0 ? priority : (others[node] ?? priority) }));
		}
	}

	deliver(node: number, event: SyncGroupEvent): void {
		const { state, actions } = stepSyncGroup(config, this.groups[node] ?? initialSyncGroupState, event);
		this.groups[node] = state;
		for (const action of actions) {
			if (action.type !== "tell") continue;
			const lan = this.lans[Number(action.member)];
			const router = lan?.routers[node];
			if (lan && router) lan.tell(router, { ...action.event, nowUs: lan.nowUs });
		}
	}

	eachRouter(node: number, run: (lan: SimulatedLan, router: SimulatedRouter) => void): void {
		for (const lan of this.lans) {
			const router = lan.routers[node];
			if (router) run(lan, router);
		}
	}

	start(node: number): void {
		this.eachRouter(node, (lan, router) => {
			if (router.alive && router.state.role !== "STOP") return;
			lan.start(router);
			this.#follow(lan, router);
		});
	}

	crash(node: number): void {
		this.groups[node] = initialSyncGroupState;
		this.eachRouter(node, (lan, router) => {
			lan.crash(router);
			router.state = { ...router.state, faults: [] };
			this.#roles.delete(router);
		});
	}

	advance(us: number): void {
		for (let left = us; left > 0; left -= 500) for (const lan of this.lans) lan.advance(Math.min(left, 500));
	}

	owners(): readonly string[] {
		return this.lans.map((lan) => {
			const owners = lan.owners();
			return owners.map((owner) => owner.name).join(" ");
		});
	}

	#follow(lan: SimulatedLan, router: SimulatedRouter): void {
		const from = this.#roles.get(router) ?? "INIT";
		const { role: to, because, priority } = router.state;
		if (from === to) return;
		this.#roles.set(router, to);
		const member = String(this.lans.indexOf(lan));
		const transition = { from, to, because, priority };
		this.deliver(router.index, { type: "memberMoved", nowUs: lan.nowUs, member, transition });
	}
}

describe("sync groups in random trouble", () => {
	it("end with one node that owns all", () => {
		const random = seededRandom(11);
		for (let round = 0; round < rounds; round++) {
			const count = 2 + Math.floor(random() * 2);
			const priorities = Array.from({ length: count }, () => 1 + Math.floor(random() * 254));
			const pair = new PairOfLans(random, priorities);
			for (let trouble = 0; trouble < 6; trouble++) {
				makeTrouble(pair, Math.floor(random() * count), random);
				pair.advance(Math.floor(random() * 600 * ms));
			}
			for (const lan of pair.lans) lan.heal();
			// Who hands over meanwhile has stopped by then, and is started again.
			pair.advance(200 * ms);
			for (let node = 0; node < count; node++) {
				pair.start(node);
				for (const member of config.members)
					pair.deliver(node, { type: "memberFaultsChanged", nowUs: 0, member, reasons: [] });
				pair.deliver(node, { type: "groupFaultsChanged", nowUs: 0, reasons: [] });
			}
			pair.advance(2_500 * ms);
			const [first, second] = pair.owners();
			assert.match(first ?? "", /^r\d$/, `round ${round}: ${pair.owners().join(" | ")}`);
			assert.equal(first, second, `round ${round}`);
		}
	});

	it("stay with one node where priorities on the two LANs disagree", () => {
		const random = seededRandom(12);
		for (let round = 0; round < rounds; round++) {
			// Far enough apart for their skews to differ by more than packets are on their way.
			const some = () => [60, 110, 160].sort(() => random() - 0.5);
			const pair = new PairOfLans(random, some(), some());
			for (const node of [0, 1, 2]) {
				pair.start(node);
				pair.advance(Math.floor(random() * 600 * ms));
			}
			pair.crash(Math.floor(random() * 3));
			pair.advance(1_500 * ms);
			for (const node of [0, 1, 2]) pair.start(node);
			pair.advance(2_500 * ms);
			const [first, second] = pair.owners();
			assert.match(first ?? "", /^r\d$/, `round ${round}: ${pair.owners().join(" | ")}`);
			assert.equal(first, second, `round ${round}`);
			const moves = () => pair.lans.flatMap((lan) => lan.routers).reduce((sum, one) => sum + one.transitions.length, 0);
			const movesBefore = moves();
			pair.advance(2_000 * ms);
			assert.equal(moves(), movesBefore, `round ${round}: it goes on moving`);
		}
	});
});

function makeTrouble(pair: PairOfLans, node: number, random: () => number): void {
	const member = random() < 0.5 ? "0" : "1";
	const reasons = random() < 0.7 ? ["x"] : [];
	const what = random();
	if (what < 0.2) pair.crash(node);
	else if (what < 0.4) pair.start(node);
	else if (what < 0.6) pair.deliver(node, { type: "memberFaultsChanged", nowUs: 0, member, reasons });
	else if (what < 0.7) pair.deliver(node, { type: "groupFaultsChanged", nowUs: 0, reasons });
	else if (what < 0.85)
		pair.eachRouter(node, (lan, router) =>
			lan.tell(router, { type: "stopRequested", nowUs: lan.nowUs, handOver: true }),
		);
	else {
		const lan = pair.lans[Number(member)];
		const from = lan?.routers[node];
		for (const to of lan?.routers ?? []) if (lan && from) lan.cut(from, to);
	}
}

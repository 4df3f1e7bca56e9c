// A sync group over two virtual routers: both own or none does.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { SyncGroupConfig } from "../vip-config.ts";
import { effectivePriority } from "./effective-priority.ts";
import { instanceForTest } from "./instance-config.testing.ts";
import { initialInstanceState, stepInstance } from "./instance-machine.ts";
import type { InstanceAction, InstanceEvent, InstanceState } from "./instance-state.ts";
import { initialSyncGroupState, type SyncGroupEvent, stepSyncGroup } from "./sync-group.ts";

const group: SyncGroupConfig = { name: "both", members: ["in", "out"], tracked: [], usesWeights: false, notify: {} };

/** Two virtual routers and their group, events carried between them until all is quiet. */
class Pair {
	nowUs = 0;
	group = initialSyncGroupState;
	readonly reports: string[] = [];
	readonly members = new Map<string, InstanceState>();
	readonly actions = new Map<string, InstanceAction[]>();
	readonly config = instanceForTest();

	constructor() {
		for (const name of group.members) {
			this.members.set(name, initialInstanceState(this.config));
			this.actions.set(name, []);
		}
		for (const name of group.members) this.tell(name, { type: "started", nowUs: 0 });
	}

	tell(name: string, event: InstanceEvent): void {
		const before = this.members.get(name);
		assert.ok(before);
		const { state, actions } = stepInstance(this.config, before, event);
		this.members.set(name, state);
		for (const action of actions) {
			this.actions.get(name)?.push(action);
			if (action.type === "report")
				this.group_({ type: "memberMoved", nowUs: this.nowUs, member: name, transition: action.transition });
		}
	}

	group_(event: SyncGroupEvent): void {
		const { state, actions } = stepSyncGroup(group, this.group, event);
		this.group = state;
		for (const action of actions) {
			if (action.type === "tell") this.tell(action.member, action.event);
			else this.reports.push(`${action.transition.from}>${action.transition.to}`);
		}
	}

	roles(): string {
		return [...this.members.values()].map((state) => state.role).join(" ");
	}

	claim(name: string): void {
		this.nowUs += 1_000_000;
		const dueUs = this.members.get(name)?.down?.dueUs ?? 0;
		this.nowUs = dueUs;
		this.tell(name, { type: "timerExpired", nowUs: dueUs, timer: "down", dueUs });
	}
}

const higher = (nowUs: number): InstanceEvent => ({
	type: "advertReceived",
	nowUs,
	source: "10.0.0.9",
	advert: { priority: 200, intervalMs: 100, sourceIsHigher: true, notes: [] },
});

describe("a sync group", () => {
	it("claims with all members when one claims", () => {
		const pair = new Pair();
		pair.claim("in");
		assert.equal(pair.roles(), "MASTER MASTER");
		assert.equal(pair.group.role, "MASTER");
	});

	it("lets go with all members when one hears a higher priority, without priority 0", () => {
		const pair = new Pair();
		pair.claim("in");
		pair.actions.set("in", []);
		pair.tell("out", higher(pair.nowUs));
		assert.equal(pair.roles(), "BACKUP BACKUP");
		const types = pair.actions.get("in")?.map((action) => action.type) ?? [];
		assert.ok(types.includes("removeAddresses"));
		assert.ok(!types.includes("sendAdvert"));
	});

	it("goes to FAULT with all members, says priority 0 for each, and comes back with all", () => {
		const pair = new Pair();
		pair.claim("in");
		pair.group_({ type: "memberFaultsChanged", nowUs: pair.nowUs, member: "in", reasons: ["eth0 is down"] });
		assert.equal(pair.roles(), "FAULT FAULT");
		assert.equal(pair.members.get("out")?.because, "in of the same group: eth0 is down");
		for (const actions of pair.actions.values())
			assert.ok(actions.some((action) => action.type === "sendAdvert" && action.advert.priority === 0));
		pair.group_({ type: "memberFaultsChanged", nowUs: pair.nowUs, member: "in", reasons: [] });
		assert.equal(pair.roles(), "BACKUP BACKUP");
	});

	it("stays in FAULT while any member or the group itself is at fault", () => {
		const pair = new Pair();
		pair.group_({ type: "memberFaultsChanged", nowUs: 1, member: "in", reasons: ["a"] });
		pair.group_({ type: "groupFaultsChanged", nowUs: 2, reasons: ["b"] });
		pair.group_({ type: "memberFaultsChanged", nowUs: 3, member: "in", reasons: [] });
		assert.equal(pair.roles(), "FAULT FAULT");
		pair.group_({ type: "groupFaultsChanged", nowUs: 4, reasons: [] });
		assert.equal(pair.roles(), "BACKUP BACKUP");
	});

	it("is dragged to FAULT by a member whose addresses the kernel refuses, until that is tried again", () => {
		const pair = new Pair();
		pair.claim("in");
		const { nowUs } = pair;
		pair.tell("in", { type: "actionFailed", nowUs, action: "addAddresses", because: "no such device" });
		assert.equal(pair.roles(), "FAULT FAULT");
		pair.tell("in", { type: "timerExpired", nowUs: nowUs + 1_000_000, timer: "retry", dueUs: nowUs + 1_000_000 });
		assert.equal(pair.roles(), "BACKUP BACKUP");
	});

	it("is told of once when it moves, not for each member", () => {
		const pair = new Pair();
		pair.claim("in");
		pair.tell("out", higher(pair.nowUs));
		assert.deepEqual(pair.reports, ["INIT>BACKUP", "BACKUP>MASTER", "MASTER>BACKUP"]);
	});
});

describe("effective priority", () => {
	for (const [base, weights, effective] of [
		[100, [], 100],
		[100, [-5, 20], 115],
		[100, [-253], 1],
		[200, [253], 254],
		[255, [-100], 255],
		[254, [1], 254],
	] as const) {
		it(`of ${base} with ${weights.join(", ") || "nothing"} is ${effective}`, () => {
			assert.equal(effectivePriority(base, weights), effective);
		});
	}
});

// The fast heartbeat: when a peer counts as gone, and what the own virtual routers are told.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	type HeartbeatAction,
	type HeartbeatConfig,
	type HeartbeatEvent,
	initialHeartbeatState,
	stepHeartbeat,
} from "./heartbeat-machine.ts";
import type { HeartbeatEntry, HeartbeatMessage } from "./heartbeat-message.ts";

const ms = 1000;
const config: HeartbeatConfig = { node: 5, incarnation: 1n, intervalUs: 25 * ms, missed: 3 };

const own: HeartbeatEntry = {
	family: "ipv4",
	virtualRouterId: 51,
	role: "BACKUP",
	priority: 100,
	successor: 0,
};
const master: HeartbeatEntry = { ...own, role: "MASTER", priority: 150 };

/** A machine that is driven by hand; what it did since the last look. */
class Driven {
	state = initialHeartbeatState;
	actions: HeartbeatAction[] = [];
	sequence = 0;
	readonly config: HeartbeatConfig;

	constructor(changed: Partial<HeartbeatConfig> = {}) {
		this.config = { ...config, ...changed };
		this.step({ type: "started", nowUs: 0 });
		this.step({ type: "ownChanged", nowUs: 0, entry: own });
		this.actions = [];
	}

	step(event: HeartbeatEvent): void {
		const { state, actions } = stepHeartbeat(this.config, this.state, event);
		this.state = state;
		this.actions.push(...actions);
	}

	hear(
		atMs: number,
		entries: readonly HeartbeatEntry[],
		changed: Partial<HeartbeatMessage> = {},
		source = "peer",
	): void {
		const message: HeartbeatMessage = {
			incarnation: 7n,
			sequence: ++this.sequence,
			intervalUs: 25 * ms,
			latenessUs: 0,
			node: 9,
			entries,
			...changed,
		};
		this.step({ type: "messageReceived", nowUs: atMs * ms, source, message });
	}

	check(dueMs: number, lateMs = 0): void {
		this.step({ type: "timerExpired", nowUs: (dueMs + lateMs) * ms, timer: "check", dueUs: dueMs * ms });
	}

	/** What the virtual router was told, in short. */
	told(): readonly string[] {
		const told: string[] = [];
		for (const action of this.actions) {
			if (action.type !== "tell") continue;
			const { event } = action;
			if (event.type === "rankChanged") told.push(`rank ${event.rank}`);
			else if (event.type === "heartbeatHeard") told.push(`heard ${event.role} ${event.priority}`);
			else told.push(event.type);
		}
		this.actions = [];
		return told;
	}
}

describe("the fast heartbeat", () => {
	it("says at once what became of an own virtual router", () => {
		const driven = new Driven();
		driven.step({ type: "ownChanged", nowUs: 10 * ms, entry: { ...own, role: "MASTER" } });
		const sent = driven.actions.find((action) => action.type === "send");
		assert.equal(sent?.message.entries[0]?.role, "MASTER");
		driven.actions = [];
		driven.step({ type: "ownChanged", nowUs: 11 * ms, entry: { ...own, role: "MASTER" } });
		assert.deepEqual(driven.actions, []);
	});

	it("is sent on a schedule, however late the timer is", () => {
		const driven = new Driven();
		const dues: number[] = [];
		for (const [dueMs, lateMs] of [
			[25, 3],
			[50, 0],
			[75, 60],
			[160, 70],
		] as const) {
			driven.step({ type: "timerExpired", nowUs: (dueMs + lateMs) * ms, timer: "send", dueUs: dueMs * ms });
			const timer = driven.actions.findLast((action) => action.type === "setTimer");
			dues.push((timer?.dueUs ?? 0) / ms);
		}
		assert.deepEqual(dues, [50, 75, 160, 255]);
		const sent = driven.actions.findLast((action) => action.type === "send");
		assert.equal(sent?.message.latenessUs, 59.7 * ms);
	});

	it("tells of a master that falls silent for three intervals", () => {
		const driven = new Driven();
		driven.hear(0, [master]);
		assert.deepEqual(driven.told(), ["rank 0", "heard MASTER 150"]);
		driven.check(74);
		assert.deepEqual(driven.told(), []);
		driven.check(75);
		assert.deepEqual(driven.told(), ["heartbeatLost", "rank undefined"]);
	});

	it("tells nothing of a backup that falls silent, but who is best then", () => {
		const driven = new Driven();
		driven.hear(0, [{ ...own, priority: 120 }]);
		assert.deepEqual(driven.told(), ["rank 1", "heard BACKUP 120"]);
		driven.check(75);
		assert.deepEqual(driven.told(), ["rank undefined"]);
	});

	it("ranks live backups by priority, then by node", () => {
		const driven = new Driven();
		driven.hear(0, [master], { node: 1 }, "a");
		driven.hear(0, [{ ...own, priority: 101 }], { node: 2 }, "b");
		driven.hear(0, [{ ...own, priority: 100 }], { node: 9 }, "c");
		driven.hear(0, [{ ...own, priority: 100 }], { node: 4 }, "d");
		driven.hear(0, [{ ...own, priority: 99 }], { node: 3 }, "e");
		driven.hear(0, [{ ...own, priority: 200, role: "FAULT" }], { node: 3 }, "f");
		assert.equal(driven.state.ranks.get("ipv4/51"), 2);
	});

	it("waits longer for a peer whose messages come unevenly, and at most ten times as long", () => {
		const driven = new Driven();
		driven.hear(0, [master]);
		driven.hear(71, [master]);
		driven.hear(141, [master]);
		driven.told();
		driven.check(141 + 75);
		assert.deepEqual(driven.told(), []);
		driven.check(141 + 106);
		assert.deepEqual(driven.told(), ["heartbeatLost", "rank undefined"]);
		const slow = new Driven();
		slow.hear(0, [master]);
		slow.hear(5_000, [master]);
		slow.hear(10_000, [master]);
		slow.told();
		slow.check(10_000 + 750);
		assert.deepEqual(slow.told(), ["heartbeatLost", "rank undefined"]);
	});

	it("does not wait longer for one stall alone", () => {
		const driven = new Driven();
		driven.hear(0, [master]);
		driven.hear(70, [master]);
		driven.told();
		driven.check(70 + 75);
		assert.deepEqual(driven.told(), ["heartbeatLost", "rank undefined"]);
	});

	it("learns from a peer that it took for gone and that comes back without a new start", () => {
		for (const [incarnation, deadlineMs] of [
			[7n, 150],
			[8n, 75],
		] as const) {
			const driven = new Driven();
			driven.hear(0, [master]);
			driven.check(75);
			driven.hear(100, [master], { incarnation });
			driven.told();
			driven.check(100 + deadlineMs - 2);
			assert.deepEqual(driven.told(), []);
			driven.check(100 + deadlineMs);
			assert.deepEqual(driven.told(), ["heartbeatLost", "rank undefined"]);
		}
	});

	it("believes what a peer says of its own lateness", () => {
		const driven = new Driven();
		driven.hear(0, [master], { latenessUs: 60 * ms });
		driven.told();
		driven.check(100);
		assert.deepEqual(driven.told(), []);
		driven.check(128);
		assert.deepEqual(driven.told(), ["heartbeatLost", "rank undefined"]);
	});

	it("forgets an uneven time again", () => {
		const driven = new Driven();
		driven.hear(0, [master]);
		driven.hear(200, [master]);
		driven.hear(400, [master]);
		for (let atMs = 425; atMs <= 10_000; atMs += 25) driven.hear(atMs, [master]);
		driven.told();
		driven.check(10_000 + 75);
		assert.deepEqual(driven.told(), ["heartbeatLost", "rank undefined"]);
	});

	it("gives a peer one interval and a half more when its own timer was late", () => {
		const driven = new Driven();
		driven.hear(0, [master]);
		driven.told();
		driven.check(75, 300);
		assert.deepEqual(driven.told(), []);
		driven.check(413, 500);
		assert.deepEqual(driven.told(), ["heartbeatLost", "rank undefined"]);
	});

	it("passes over repeated messages and those of an earlier start, and takes a later start", () => {
		const driven = new Driven();
		driven.hear(0, [master], { sequence: 10 });
		driven.told();
		driven.hear(1, [own], { sequence: 10 });
		driven.hear(2, [own], { sequence: 9 });
		driven.hear(3, [own], { sequence: 11, incarnation: 6n });
		assert.equal(driven.actions.filter((action) => action.type === "count").length, 3);
		assert.deepEqual(driven.told(), []);
		driven.hear(4, [own], { sequence: 1, incarnation: 8n });
		assert.deepEqual(driven.told(), ["rank 1", "heard BACKUP 100"]);
	});

	it("has the named successor claim", () => {
		const driven = new Driven();
		driven.hear(0, [{ ...master, successor: 5 }]);
		assert.deepEqual(driven.told(), ["rank 0", "heard MASTER 150", "claimRequested"]);
		driven.hear(1, [{ ...master, successor: 6 }]);
		assert.deepEqual(driven.told(), ["heard MASTER 150"]);
	});

	it("minds only virtual routers that are here too", () => {
		const driven = new Driven();
		driven.hear(0, [
			{ ...master, virtualRouterId: 52 },
			{ ...master, family: "ipv6" },
		]);
		driven.check(75);
		assert.deepEqual(driven.told(), []);
	});

	it("keeps no more than 32 peers", () => {
		const driven = new Driven();
		for (let index = 0; index < 40; index++) driven.hear(0, [master], {}, `10.0.0.${index}`);
		assert.equal(driven.state.peers.size, 32);
	});
});

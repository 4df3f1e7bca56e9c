import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DrivenElection, MemoryLease } from "./driven-election.testing.ts";
import { holdsLease } from "./election-rules.ts";

const second = 1_000_000;
const holderOf = (lease: MemoryLease): string | undefined => lease.stored?.record.holderIdentity;

/** A backup that hears nobody, and knows who holds the lease. */
function candidate(lease: MemoryLease, identity = "a", changed = {}): DrivenElection {
	const node = new DrivenElection({ identity, ...changed });
	node.role("BACKUP");
	node.answer(lease);
	node.runUntil(second / 5, lease);
	return node;
}

function owner(lease: MemoryLease, identity = "a", changed = {}): DrivenElection {
	const node = candidate(lease, identity, changed);
	node.role("MASTER");
	node.answer(lease);
	return node;
}

describe("a lease as a witness", () => {
	it("goes to the candidate that asks first, which claims at once; the other one waits once, and no longer than it may", () => {
		const lease = new MemoryLease();
		const [a, b] = [candidate(lease, "a"), candidate(lease, "b")];
		assert.equal(holderOf(lease), "a");
		assert.deepEqual(a.tell({ type: "claimDue" }), []);
		assert.deepEqual(b.tell({ type: "claimDue" }), [{ type: "wait", untilUs: b.nowUs + second }]);
		const untilUs = b.nowUs + second;
		b.nowUs += second / 2;
		assert.deepEqual(b.tell({ type: "claimDue" }), [{ type: "wait", untilUs }], "asked again: no longer");
		b.nowUs = untilUs;
		assert.deepEqual(b.tell({ type: "claimDue" }), []);
		b.nowUs += second;
		assert.deepEqual(b.tell({ type: "claimDue" }), [], "never again as long as nobody is heard");
	});

	it("lets the candidate with the higher priority ask first", () => {
		const node = new DrivenElection();
		const lease = new MemoryLease();
		node.role("BACKUP", 56);
		node.answer(lease);
		assert.equal(lease.stored, undefined);
		node.runUntil(0.078 * second, lease);
		assert.equal(lease.stored, undefined);
		node.runUntil(0.079 * second, lease);
		assert.equal(holderOf(lease), "a");
	});

	for (const [what, prepare] of [
		["a master was heard", (node: DrivenElection) => node.tell({ type: "advertHeard", source: "x" })],
		[
			"the store fails",
			(node: DrivenElection) => {
				node.runUntil(node.dueUs);
				node.fail();
			},
		],
		["the store does not answer in time", (node: DrivenElection) => node.runUntil(5 * second)],
		[
			"the holder has not renewed for the duration",
			(node: DrivenElection) => {
				node.nowUs += 16 * second;
			},
		],
		["it is not a backup", (node: DrivenElection) => node.role("FAULT")],
	] as const)
		it(`makes nobody wait when ${what}`, () => {
			const lease = new MemoryLease();
			candidate(lease, "other");
			const node = candidate(lease);
			assert.equal(node.tell({ type: "claimDue" })[0]?.type, "wait");
			const after = candidate(lease);
			prepare(after);
			assert.deepEqual(after.tell({ type: "claimDue" }), []);
		});

	it("makes nobody wait without an answer of the store", () => {
		const node = new DrivenElection();
		node.role("BACKUP");
		assert.deepEqual(node.tell({ type: "claimDue" }), []);
	});

	it("ends a wait when the holder lets go, when the store is gone, and when an advert comes", () => {
		const waiting = (): { node: DrivenElection; lease: MemoryLease; holder: DrivenElection } => {
			const lease = new MemoryLease();
			const holder = owner(lease, "other");
			const node = candidate(lease);
			node.tell({ type: "claimDue" });
			return { node, lease, holder };
		};
		const stops = [{ type: "stopWaiting" }];
		const one = waiting();
		one.holder.role("STOP");
		one.holder.answer(one.lease);
		one.node.tell({ type: "timerExpired" });
		assert.deepEqual(one.node.answer(one.lease), stops);
		assert.equal(holderOf(one.lease), "a");
		const two = waiting();
		two.node.tell({ type: "timerExpired" });
		assert.deepEqual(two.node.fail(), stops);
		assert.deepEqual(waiting().node.tell({ type: "advertHeard", source: "x" }), stops);
	});

	it("is given back by a candidate that hears an owner, and by one that stops or is at fault", () => {
		const lease = new MemoryLease();
		const node = candidate(lease);
		node.tell({ type: "advertHeard", source: "x" });
		node.answer(lease);
		assert.equal(holderOf(lease), "");
		for (const role of ["STOP", "FAULT"] as const) {
			const other = new MemoryLease();
			const gone = owner(other);
			gone.role(role);
			gone.answer(other);
			assert.equal(holderOf(other), "");
		}
	});

	it("is given back although it came only after the owner was heard", () => {
		const lease = new MemoryLease();
		const node = new DrivenElection();
		node.role("BACKUP", 255);
		node.answer(lease);
		node.nowUs = node.dueUs;
		node.tell({ type: "timerExpired" });
		const read = node.asks.shift();
		assert.ok(read);
		node.tell({ type: "storeAnswered", id: read.id, outcome: lease.apply(read, 0) });
		assert.equal(node.asks[0]?.type, "acquire");
		node.tell({ type: "advertHeard", source: "x" });
		node.answer(lease);
		assert.equal(holderOf(lease), "");
	});

	it("is renewed at a third of its duration or a little sooner, with the node's name and reason, as long as it owns", () => {
		const lease = new MemoryLease();
		const node = owner(lease);
		let [before, renewals] = [node.nowUs, 0];
		for (; renewals < 50; renewals++) {
			const gapUs = node.dueUs - before;
			assert.ok(gapUs <= 5 * second && gapUs >= 4 * second, `${gapUs}`);
			before = node.dueUs;
			node.runUntil(node.dueUs, lease);
			assert.ok(holdsLease(node.config, node.state, node.nowUs));
		}
		assert.equal(lease.stored?.record.reason, "MASTER, priority 100: test");
		assert.equal(lease.stored?.record.leaseTransitions, 0);
	});

	it("is not stolen by an owner from a live holder, and is taken once that one has not renewed for its duration", () => {
		const lease = new MemoryLease();
		owner(lease, "other");
		const node = owner(lease);
		node.runUntil(15 * second, lease);
		assert.equal(holderOf(lease), "other");
		node.runUntil(18 * second, lease);
		assert.equal(holderOf(lease), "a");
		assert.equal(lease.stored?.record.leaseTransitions, 1);
	});

	it("does not care what the clocks of others show", () => {
		const lease = new MemoryLease();
		const ahead = new DrivenElection({ identity: "ahead" });
		ahead.role("MASTER");
		ahead.answer(lease, 4e12);
		const node = owner(lease);
		for (let at = 1; at <= 20; at++) {
			ahead.nowUs = at * 4 * second;
			ahead.tell({ type: "timerExpired" });
			ahead.answer(lease, at % 2 ? 1 : 4e12 - at);
			node.runUntil(at * 4 * second, lease);
			assert.equal(holderOf(lease), "ahead");
		}
		node.runUntil(100 * second, lease);
		assert.equal(holderOf(lease), "a");
	});

	it("is read again after a conflict or a lost answer, and nothing is written on what was seen before", () => {
		const lease = new MemoryLease();
		const node = owner(lease);
		node.runUntil(node.dueUs - 1);
		node.nowUs = node.dueUs;
		node.tell({ type: "timerExpired" });
		const lost = node.asks.shift();
		assert.ok(lost?.type === "renew");
		lease.apply(lost, 0);
		node.runUntil(node.nowUs + 2 * second);
		assert.match(node.said.at(-1) ?? "", /cannot be reached, VRRP decides alone: no answer within 2000 ms/);
		assert.deepEqual(node.tell({ type: "storeAnswered", id: lost.id, outcome: lease.apply(lost, 0) }), []);
		node.runUntil(node.nowUs + 2 * second);
		assert.equal(node.asks[0]?.type, "read");
		node.answer(lease);
		assert.equal(node.said.at(-1), "the lease can be reached again");
		assert.ok(holdsLease(node.config, node.state, node.nowUs));
	});

	it("warns once when lease and owner differ for longer than the bound, and says when that is over", () => {
		const lease = new MemoryLease();
		const other = owner(lease, "other");
		const node = owner(lease);
		const warnings = (): number => node.said.filter((text) => text.startsWith("lease and VRRP disagree")).length;
		for (let at = 1; at <= 30; at++) {
			other.runUntil(at * 2 * second, lease);
			node.runUntil(at * 2 * second, lease);
			assert.equal(warnings(), at >= 17 ? 1 : at <= 15 ? 0 : warnings(), `after ${at * 2} s`);
		}
		other.role("STOP");
		other.answer(lease);
		node.runUntil(64 * second, lease);
		assert.equal(node.said.at(-1), "lease and VRRP agree again");
		assert.equal(node.state.role, "MASTER");
	});

	it("warns a backup whose owner is another node than the holder", () => {
		const lease = new MemoryLease();
		const other = owner(lease, "other");
		const node = candidate(lease);
		for (let at = 1; at <= 20; at++) {
			node.tell({ type: "advertHeard", source: "10.0.0.9" });
			other.runUntil(at * 2 * second, lease);
			node.runUntil(at * 2 * second, lease);
		}
		assert.match(node.said.at(-1) ?? "", /adverts come from 10\.0\.0\.9, and other \(addr-other\) holds the lease/);
	});
});

describe("two masters with the same priority after a split", () => {
	it("the holder stays for three intervals; the other goes when it still hears it after nearly one", () => {
		const lease = new MemoryLease();
		const [holder, other] = [owner(lease, "holder"), owner(lease, "other")];
		const hear = (node: DrivenElection, source: string, afterMs: number) => {
			node.nowUs += afterMs * 1000;
			return node.tell({ type: "equalHeard", source });
		};
		assert.deepEqual(hear(holder, "addr-other", 0), [{ type: "tie", stays: "self" }]);
		assert.deepEqual(hear(holder, "addr-other", 300), [{ type: "tie", stays: "self" }]);
		assert.deepEqual(hear(holder, "addr-other", 1), [], "from then on VRRP's own rule");
		assert.deepEqual(hear(other, "addr-holder", 0), []);
		assert.deepEqual(hear(other, "addr-holder", 89), []);
		assert.deepEqual(hear(other, "addr-holder", 11), [{ type: "tie", stays: "other" }]);
	});

	it("nobody goes for a third one that does not hold the lease, or while the store is out of reach", () => {
		const lease = new MemoryLease();
		owner(lease, "holder");
		const other = owner(lease, "other");
		other.tell({ type: "equalHeard", source: "addr-third" });
		other.nowUs += second / 10;
		assert.deepEqual(other.tell({ type: "equalHeard", source: "addr-third" }), []);
		other.tell({ type: "equalHeard", source: "addr-holder" });
		other.runUntil(other.dueUs);
		other.fail();
		other.nowUs += second / 10;
		assert.deepEqual(other.tell({ type: "equalHeard", source: "addr-holder" }), []);
	});
});

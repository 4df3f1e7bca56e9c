// A lease instead of VRRP.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { DrivenElection, MemoryLease } from "./driven-election.testing.ts";

const second = 1_000_000;

function candidate(lease: MemoryLease, identity: string, changed = {}): DrivenElection {
	const node = new DrivenElection({ identity, decides: true, ...changed });
	node.role("BACKUP");
	node.answer(lease);
	node.runUntil(second / 5, lease);
	return node;
}

/** The others are where they were; an owner has claimed. */
function pair(changed = {}): { readonly lease: MemoryLease; readonly a: DrivenElection; readonly b: DrivenElection } {
	const lease = new MemoryLease();
	const [a, b] = [candidate(lease, "a", changed), candidate(lease, "b", changed)];
	assert.deepEqual(a.tell({ type: "claimDue" }), []);
	a.role("MASTER");
	a.answer(lease);
	return { lease, a, b };
}

const yields = (actions: readonly { readonly type: string }[]): boolean => actions.some(({ type }) => type === "yield");

describe("a lease that decides", () => {
	it("makes everybody but its holder wait, however long it takes, and lets the next one claim as soon as it has it", () => {
		const { lease, a, b } = pair();
		for (let at = 1; at < 100; at++) {
			a.runUntil(at * second, lease);
			b.runUntil(at * second, lease);
			assert.deepEqual(
				b.tell({ type: "claimDue" }).map(({ type }) => type),
				["wait"],
			);
		}
		a.role("STOP");
		a.answer(lease);
		b.runUntil(101 * second);
		b.tell({ type: "timerExpired" });
		assert.deepEqual(
			b.answer(lease).map(({ type }) => type),
			["stopWaiting"],
		);
		assert.deepEqual(b.tell({ type: "claimDue" }), []);
	});

	it("is taken over when its holder is dead, after its duration, and not sooner", () => {
		const { lease, b } = pair();
		b.tell({ type: "claimDue" });
		b.runUntil(14.9 * second, lease);
		assert.equal(lease.stored?.record.holderIdentity, "a");
		b.runUntil(18 * second, lease);
		assert.equal(lease.stored?.record.holderIdentity, "b");
	});

	it("makes its old holder let go once it sees another one", () => {
		const { lease, a, b } = pair();
		b.runUntil(18 * second, lease);
		a.nowUs = 18 * second;
		a.tell({ type: "timerExpired" });
		assert.equal(yields(a.answer(lease)), false, "the version that it knew is not there any more");
		a.nowUs = a.dueUs;
		a.tell({ type: "timerExpired" });
		assert.ok(yields(a.answer(lease)));
	});

	it("nobody claims while the store cannot be asked, and the owner goes on", () => {
		const { a } = pair();
		a.runUntil(a.dueUs);
		a.fail();
		for (let at = a.nowUs; at < 60 * second; at += second) {
			a.runUntil(at);
			if (a.asks.length > 0) assert.equal(yields(a.fail()), false);
		}
		assert.match(a.said.join(), /cannot be reached, the owner goes on, and nobody else claims: connection refused/);
		const late = new DrivenElection({ identity: "b", decides: true });
		late.role("BACKUP");
		late.fail();
		assert.deepEqual(
			late.tell({ type: "claimDue" }).map(({ type }) => type),
			["wait"],
		);
	});

	it("an owner that could not renew it lets go when another machine has an address, and never while it is its own", () => {
		const { a } = pair();
		assert.equal(yields(a.tell({ type: "conflictHeard", mac: "02:00:00:00:00:09" })), false);
		a.runUntil(12 * second);
		assert.ok(yields(a.tell({ type: "conflictHeard", mac: "02:00:00:00:00:09" })));
	});

	it("an owner that is told so lets go before anybody else may have it", () => {
		const { lease, a, b } = pair({ releasesWhenUnreachable: true });
		let goneUs: number | undefined;
		while (goneUs === undefined && a.nowUs < 30 * second) {
			a.runUntil(a.dueUs);
			if (a.asks.length > 0 && yields(a.fail())) goneUs = a.nowUs;
		}
		b.tell({ type: "claimDue" });
		while (lease.stored?.record.holderIdentity !== "b") b.runUntil(b.dueUs, lease);
		assert.ok(goneUs !== undefined && goneUs < b.nowUs, `${goneUs} against ${b.nowUs}`);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aFate, proxies } from "./fates.testing.ts";
import { keyOfFate, type ResourceFate } from "./resource-fate.ts";
import { resourceStatusOf } from "./resource-status.ts";
import { defaultStatusPace, StatusLedger, type StatusPace, type WriteOutcome } from "./status-ledger.ts";

const now = "2026-01-31T12:00:00Z";

/** A ledger with a server that takes every write at once, and a clock. */
class Rig {
	readonly ledger: StatusLedger;
	readonly written: { readonly atMs: number; readonly name: string; readonly applied: string | undefined }[] = [];
	nowMs = 0;
	outcome: WriteOutcome = "written";

	constructor(pace: Partial<StatusPace> = {}) {
		this.ledger = new StatusLedger({ ...defaultStatusPace, ...pace }, 0);
	}

	want(...fates: readonly ResourceFate[]): void {
		this.ledger.want(fates, this.nowMs, now);
	}

	/** Writes whatever is due until then. */
	until(endMs: number): void {
		for (;;) {
			const { nextMs, writes } = this.ledger.next(this.nowMs);
			for (const { fate, key, status } of writes) {
				this.written.push({ atMs: this.nowMs, name: fate.name, applied: status.applied });
				this.ledger.ended(key, this.outcome, this.nowMs);
			}
			if (writes.length > 0) continue;
			if (nextMs === undefined || nextMs > endMs) break;
			assert.ok(nextMs > this.nowMs);
			this.nowMs = nextMs;
		}
		this.nowMs = endMs;
	}

	get names(): readonly string[] {
		return this.written.map(({ name }) => name);
	}
}

const many = (count: number, change: Partial<ResourceFate> = {}): readonly ResourceFate[] =>
	Array.from({ length: count }, (_, index) => aFate(`r${index}`, change));

describe("statuses to write", () => {
	it("are written once, when they have settled", () => {
		const rig = new Rig();
		rig.want(aFate());
		rig.until(499);
		assert.deepEqual(rig.names, []);
		rig.until(500);
		assert.deepEqual(rig.names, ["reviews"]);
		rig.want(aFate());
		rig.until(3_600_000);
		assert.equal(rig.written.length, 1);
		assert.equal(rig.ledger.waiting, 0);
	});

	it("are not written when they are what stands in the API", () => {
		const rig = new Rig();
		const fates = many(1000, proxies(3, 3));
		rig.want(...fates);
		for (const fate of fates) rig.ledger.stands(keyOfFate(fate), resourceStatusOf(fate, [], "2020-01-01T00:00:00Z"), 0);
		rig.until(60_000);
		assert.equal(rig.written.length, 0);
	});

	it("are written when somebody else changed what stands in the API", () => {
		const rig = new Rig();
		rig.want(aFate());
		rig.until(1000);
		rig.ledger.stands(keyOfFate(aFate()), undefined, rig.nowMs);
		rig.until(3000);
		assert.equal(rig.written.length, 2);
	});

	it("skip what they were in between", () => {
		const rig = new Rig();
		rig.want(aFate("reviews", proxies(4, 4)));
		rig.until(1000);
		for (const applied of [0, 1, 2, 3]) {
			rig.want(aFate("reviews", { ...proxies(applied, 4), generation: 2 }));
			rig.until(rig.nowMs + 100);
		}
		rig.want(aFate("reviews", { ...proxies(4, 4), generation: 2 }));
		rig.until(5000);
		assert.deepEqual(
			rig.written.map(({ applied }) => applied),
			["4 of 4", "4 of 4"],
		);
	});

	it("are written all the same when they never settle", () => {
		const rig = new Rig();
		for (let round = 0; round < 40; round++) {
			rig.want(aFate("reviews", { generation: round }));
			rig.until(rig.nowMs + 100);
		}
		assert.equal(rig.written[0]?.atMs, 3000);
		assert.equal(rig.written.length, 1);
	});

	it("of 1,000 resources that change at once are no more than the pace, and each is written once", () => {
		const rig = new Rig();
		rig.want(...many(1000));
		rig.until(60_000);
		assert.equal(rig.written.length, 1000);
		assert.equal(new Set(rig.names).size, 1000);
		const { burst, perSecond } = defaultStatusPace;
		for (let second = 0; second < 60; second++) {
			const within = rig.written.filter(({ atMs }) => atMs >= second * 1000 && atMs < (second + 1) * 1000).length;
			assert.ok(within <= burst + perSecond, `${within} writes in second ${second}`);
		}
		assert.ok((rig.written.at(-1)?.atMs ?? 0) < ((1000 - burst) / perSecond) * 1000 + 1000);
	});

	it("that only count proxies that come and go are few, however often that happens", () => {
		const rig = new Rig();
		const { countsBurst, countsPerSecond } = defaultStatusPace;
		rig.want(...many(300, proxies(10, 10)));
		rig.until(60_000);
		const before = rig.written.length;
		for (let round = 0; round < 60; round++) {
			const concerned = 10 + (round % 7);
			rig.want(...many(300, proxies(concerned - (round % 2), concerned)));
			rig.until(rig.nowMs + 1000);
		}
		const writes = rig.written.length - before;
		// Every other look finds proxies that have yet to confirm: what was written so is made good sooner.
		assert.ok(writes <= 2 * (countsBurst + 60 * countsPerSecond), `${writes} writes in a minute`);
		rig.until(rig.nowMs + (300 / countsPerSecond) * 1000 + 30_000);
		assert.equal(rig.ledger.waiting, 0);
	});

	it("say nothing of proxies that have yet to confirm something for a moment", () => {
		const rig = new Rig();
		rig.want(aFate("reviews", proxies(4, 4)));
		rig.until(60_000);
		for (let round = 0; round < 20; round++) {
			rig.want(aFate("reviews", proxies(2, 4)));
			rig.until(rig.nowMs + 1000);
			rig.want(aFate("reviews", proxies(4, 4)));
			rig.until(rig.nowMs + 1000);
		}
		assert.equal(rig.written.length, 1);
	});

	it("let an error overtake counts", () => {
		const rig = new Rig({ countsPerSecond: 1, countsBurst: 1, countsEveryMs: 0, countsSettleMs: 500 });
		rig.want(...many(100, proxies(1, 1)));
		rig.until(10_000);
		rig.written.length = 0;
		const fates = many(100, proxies(2, 2)).map((fate) =>
			fate.name === "r99" ? { ...fate, generation: 2, accepted: false } : fate,
		);
		rig.want(...fates);
		rig.until(rig.nowMs + 600);
		assert.equal(rig.names[0], "r99");
		assert.equal(rig.written.length, 2);
	});

	it("are tried again, later each time, when a write failed", () => {
		const rig = new Rig();
		rig.outcome = "failed";
		rig.want(aFate());
		rig.until(300_000);
		const gaps = rig.written.slice(1).map(({ atMs }, index) => atMs - (rig.written[index]?.atMs ?? 0));
		assert.deepEqual(gaps.slice(0, 8), [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
		rig.outcome = "written";
		rig.until(400_000);
		assert.equal(rig.ledger.waiting, 0);
	});

	it("of a resource that was deleted and made anew are written again", () => {
		const rig = new Rig();
		rig.want(aFate());
		rig.until(1000);
		rig.want(aFate("reviews", { uid: "another" }));
		rig.until(2000);
		assert.deepEqual(rig.names, ["reviews", "reviews"]);
	});

	it("of a resource that is gone are forgotten", () => {
		const rig = new Rig();
		rig.want(aFate());
		rig.want();
		rig.until(10_000);
		assert.deepEqual(rig.names, []);
		assert.equal(rig.ledger.waiting, 0);
	});

	it("are never more under way than may be at once, and one resource is never written twice at a time", () => {
		const ledger = new StatusLedger({ ...defaultStatusPace, atOnce: 2, settleMs: 0 }, 0);
		ledger.want(many(3), 0, now);
		const first = ledger.next(10).writes;
		assert.deepEqual(
			first.map(({ fate }) => fate.name),
			["r0", "r1"],
		);
		ledger.want(many(3, { generation: 2 }), 20, now);
		assert.deepEqual(ledger.next(30).writes, []);
		ledger.ended("VirtualService/shop/r0", "written", 40);
		assert.deepEqual(
			ledger.next(50).writes.map(({ fate }) => fate.name),
			["r2"],
		);
		ledger.ended("VirtualService/shop/r1", "written", 60);
		const again = ledger.next(5000).writes;
		assert.deepEqual(
			again.map(({ fate, status }) => [fate.name, status.observedGeneration]),
			[["r0", 2]],
		);
	});
});

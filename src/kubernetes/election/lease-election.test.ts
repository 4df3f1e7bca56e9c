import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Dice } from "../../runtime/seeded-random.testing.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { leases } from "../client/api-resources.ts";
import { FakeApi } from "../client/fake-api.testing.ts";
import { LeaseElection } from "./lease-election.ts";

interface Candidate {
	readonly election: LeaseElection;
	readonly api: FakeApi;
	readonly told: string[];
	/** Its requests reach the server, or not. */
	cut(isCut: boolean): void;
}

function cluster() {
	const clock = new VirtualClock();
	const api = new FakeApi();
	const leading = new Set<string>();
	const candidate = (identity: string): Candidate => {
		const told: string[] = [];
		let isCut = false;
		const client = Object.create(api, {
			request: {
				value: (...asked: Parameters<FakeApi["request"]>) =>
					isCut ? Promise.reject(new Error("unreachable")) : api.request(...asked),
			},
		}) as FakeApi;
		const election = new LeaseElection(
			{ client, namespace: "keepmesh-system", lease: "keepmesh-control", identity, clock },
			{
				onGained: (transitions) => {
					leading.add(identity);
					assert.ok(leading.size === 1, `two lead: ${[...leading]}`);
					told.push(`gained ${transitions}`);
				},
				onLost: (because) => {
					leading.delete(identity);
					told.push(`lost: ${because}`);
				},
			},
		);
		return {
			election,
			api,
			told,
			cut: (now) => {
				isCut = now;
			},
		};
	};
	const pass = async (ms: number, stepMs = 100): Promise<void> => {
		for (let at = 0; at < ms; at += stepMs) {
			clock.advance(stepMs);
			for (let turn = 0; turn < 4; turn++) await Promise.resolve();
			await new Promise((done) => setImmediate(done));
		}
	};
	return { clock, api, candidate, pass, leading };
}

const holder = (api: FakeApi): unknown =>
	(api.get(leases, "keepmesh-system", "keepmesh-control")?.spec as { holderIdentity: string } | undefined)
		?.holderIdentity;

describe("an election by a Lease", () => {
	it("makes the first one lead, and goes on renewing", async () => {
		const { api, candidate, pass } = cluster();
		const a = candidate("a");
		a.election.start();
		await pass(100);
		assert.deepEqual(a.told, ["gained 0"]);
		const before = api.asked.length;
		await pass(60_000);
		assert.deepEqual(a.told, ["gained 0"]);
		assert.ok(Math.abs(api.asked.length - before - 60) <= 3, `${api.asked.length - before} requests`);
	});

	it("hands over at once when the leader stops in good order", async () => {
		const { api, candidate, pass } = cluster();
		const [a, b] = [candidate("a"), candidate("b")];
		a.election.start();
		await pass(100);
		b.election.start();
		await pass(5_000);
		void a.election.stop();
		await pass(1_200);
		assert.deepEqual(a.told, ["gained 0", "lost: it stops"]);
		assert.deepEqual(b.told, ["gained 1"]);
		assert.equal(holder(api), "b");
	});

	it("makes another lead only after the one before it has given up, when that one is cut off", async () => {
		const { candidate, clock, pass } = cluster();
		const [a, b] = [candidate("a"), candidate("b")];
		a.election.start();
		await pass(100);
		b.election.start();
		await pass(3_000);
		a.cut(true);
		const cutMs = clock.monotonicMs();
		await pass(7_000);
		assert.equal(a.told.length, 2);
		assert.deepEqual(b.told, []);
		while (b.told.length === 0) await pass(100);
		assert.ok(clock.monotonicMs() - cutMs <= 12_000, `${clock.monotonicMs() - cutMs} ms`);
		a.cut(false);
		await pass(20_000);
		assert.deepEqual(b.told, ["gained 1"]);
	});

	it("does not believe the times in the Lease: a holder whose clock is wrong keeps it", async () => {
		const { api, candidate, pass } = cluster();
		const spec = { holderIdentity: "x", leaseDurationSeconds: 10, renewTime: "2001-01-01T00:00:00.000000Z" };
		api.put(leases, { metadata: { namespace: "keepmesh-system", name: "keepmesh-control" }, spec });
		const a = candidate("a");
		a.election.start();
		await pass(9_500);
		assert.deepEqual(a.told, []);
		await pass(2_000);
		assert.deepEqual(a.told, ["gained 1"]);
	});

	it("leads no more when somebody takes the Lease from it, or deletes it", async () => {
		const { api, candidate, pass } = cluster();
		const a = candidate("a");
		a.election.start();
		await pass(1_500);
		const spec = { holderIdentity: "x", leaseDurationSeconds: 10, leaseTransitions: 4 };
		api.put(leases, { metadata: { namespace: "keepmesh-system", name: "keepmesh-control" }, spec });
		await pass(1_500);
		assert.deepEqual(a.told.splice(0), ["gained 0", "lost: x holds the Lease"]);
		await pass(12_000);
		assert.deepEqual(a.told.splice(0), ["gained 5"]);
		api.remove(leases, "keepmesh-system", "keepmesh-control");
		await pass(3_000);
		assert.deepEqual(a.told, ["lost: the Lease was deleted", "gained 0"]);
	});

	it("never has two leaders, whoever is cut off, stops or comes back (seeded walks)", async () => {
		for (let seed = 1; seed <= 20; seed++) {
			const dice = new Dice(seed);
			const { candidate, leading, pass } = cluster();
			const all = ["a", "b", "c"].map(candidate);
			for (const one of all) one.election.start();
			for (let turn = 0; turn < 40; turn++) {
				dice.one(all as [Candidate, ...Candidate[]]).cut(dice.chance(0.6));
				await pass(dice.below(60) * 100, 500);
			}
			for (const one of all) one.cut(false);
			await pass(15_000, 500);
			assert.equal(leading.size, 1, `seed ${seed}`);
		}
	});
});

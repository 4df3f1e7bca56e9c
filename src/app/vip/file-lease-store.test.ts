import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import type { LeaseOutcome, StoredLease } from "../../vip/election/lease-store.ts";
import { FileLeaseStore } from "./file-lease-store.ts";

const root = mkdtempSync(join(tmpdir(), "keepmesh-lease-"));
after(() => rmSync(root, { recursive: true, force: true }));
const name = { namespace: "default", name: "web" };
let made = 0;

function stores(count: number): { readonly directory: string; readonly all: readonly FileLeaseStore[] } {
	const directory = join(root, String(made++));
	return {
		directory,
		all: Array.from({ length: count }, () => new FileLeaseStore(directory, () => 1_700_000_000_000)),
	};
}

const claimOf = (identity: string) => ({ identity, durationSeconds: 15, reason: "MASTER", address: "10.77.0.2" });

function leaseOf(outcome: LeaseOutcome): StoredLease {
	assert.ok(outcome.ok && outcome.lease, JSON.stringify(outcome));
	return outcome.lease;
}

function storeOf(all: readonly FileLeaseStore[], index: number): FileLeaseStore {
	const store = all[index];
	assert.ok(store);
	return store;
}

describe("leases in a shared directory", () => {
	it("are taken, renewed, released and taken by another, who counts a transition", async () => {
		const { all, directory } = stores(2);
		const [a, b] = [storeOf(all, 0), storeOf(all, 1)];
		assert.deepEqual(await a.read(name), { ok: true, lease: undefined });
		const taken = leaseOf(await a.acquire(name, claimOf("a"), undefined));
		assert.deepEqual(leaseOf(await b.read(name)), taken);
		const renewed = leaseOf(await a.renew(name, claimOf("a"), taken));
		const released = leaseOf(await a.release(name, claimOf("a"), renewed));
		assert.equal(released.record.holderIdentity, "");
		const next = leaseOf(await b.acquire(name, claimOf("b"), released));
		assert.deepEqual([next.record.holderIdentity, next.record.leaseTransitions], ["b", 1]);
		assert.deepEqual(readdirSync(directory), ["default.web.4"], "nothing else is left");
	});

	it("refuse a writer that saw an older version, however old, and one that is not the holder", async () => {
		const { all } = stores(2);
		const [a, b] = [storeOf(all, 0), storeOf(all, 1)];
		const first = leaseOf(await a.acquire(name, claimOf("a"), undefined));
		let lease = first;
		for (let times = 0; times < 4; times++) lease = leaseOf(await a.renew(name, claimOf("a"), lease));
		for (const outcome of [
			await b.acquire(name, claimOf("b"), undefined),
			await b.acquire(name, claimOf("b"), first),
			await b.renew(name, claimOf("b"), lease),
			await b.release(name, claimOf("b"), lease),
		])
			assert.ok(!outcome.ok && outcome.because === "conflict");
		assert.deepEqual(leaseOf(await b.read(name)), lease);
	});

	it("have one winner among many writers of the same version, each time", async () => {
		const { all, directory } = stores(8);
		let seen: StoredLease | undefined;
		for (let round = 0; round < 30; round++) {
			const outcomes = await Promise.all(all.map((store, index) => store.acquire(name, claimOf(`n${index}`), seen)));
			const winners = outcomes.filter(({ ok }) => ok);
			// The winner itself may find that it was overtaken; then nobody knows of a success, and all read again.
			assert.ok(winners.length <= 1, `${winners.length} winners in round ${round}`);
			seen = leaseOf(await storeOf(all, 0).read(name));
			for (const winner of winners) assert.deepEqual(leaseOf(winner), seen);
			assert.equal(seen.resourceVersion, String(round + 1));
		}
		assert.equal(readdirSync(directory).length, 1);
	});

	it("are out of reach, with the reason, where there can be no directory, and with a damaged file", async () => {
		const { all, directory } = stores(1);
		const file = join(root, "a-file");
		writeFileSync(file, "");
		const outcome = await new FileLeaseStore(file, () => 0).acquire(name, claimOf("a"), undefined);
		assert.ok(!outcome.ok && outcome.because === "unreachable");
		assert.match(outcome.message, /EEXIST|ENOTDIR/);
		await storeOf(all, 0).acquire(name, claimOf("a"), undefined);
		writeFileSync(join(directory, "default.web.1"), "{");
		const damaged = await storeOf(all, 0).read(name);
		assert.ok(!damaged.ok && damaged.because === "unreachable");
		assert.match(damaged.message, /default\.web\.1 is damaged: remove it/);
		assert.equal(readFileSync(join(directory, "default.web.1"), "utf8"), "{");
	});

	it("stay in their directory whatever they are called, and apart from each other", async () => {
		const { all, directory } = stores(1);
		const store = storeOf(all, 0);
		await store.acquire({ namespace: "..", name: "../x/y" }, claimOf("a"), undefined);
		await store.acquire({ namespace: "a.b", name: "c" }, claimOf("a"), undefined);
		await store.acquire({ namespace: "a", name: "b.c" }, claimOf("b"), undefined);
		assert.equal(readdirSync(directory).length, 3);
		assert.equal(leaseOf(await store.read({ namespace: "a.b", name: "c" })).record.holderIdentity, "a");
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import { VirtualLeaseStore } from "./virtual-lease-store.testing.ts";
import { type VirtualNode, VirtualNodes } from "./virtual-nodes.testing.ts";

const lease = { name: "web", namespace: "default" };

interface Mesh {
	readonly nodes: VirtualNodes;
	readonly store: VirtualLeaseStore;
	readonly a: VirtualNode;
	readonly b: VirtualNode;
}

/** Two nodes, `a` with the lower address; started as the test likes. */
function pair(ofA: Partial<InstanceConfig> = {}, ofB: Partial<InstanceConfig> = {}): Mesh {
	const nodes = new VirtualNodes();
	const store = new VirtualLeaseStore(nodes.clock);
	const [a, b] = [nodes.add("a", { lease, ...ofA }), nodes.add("b", { lease, ...ofB })];
	for (const node of [a, b]) node.leaseStore = store;
	return { nodes, store, a, b };
}

function split({ nodes }: Mesh): void {
	nodes.lan.cut("a", "b");
	nodes.lan.cut("b", "a");
}

/** Milliseconds from now until a node is master. */
function masterAfterMs({ nodes }: Mesh, node: VirtualNode, limitMs: number): number {
	for (let ms = 0; ms <= limitMs; ms++) {
		if (node.role() === "MASTER") return ms;
		nodes.clock.advance(1);
	}
	return Number.POSITIVE_INFINITY;
}

/** When each of both claimed after a start of `a` and then `b` in a split network. */
function claims(mesh: Mesh): { readonly a: number; readonly b: number } {
	split(mesh);
	mesh.a.start();
	mesh.b.start();
	const claimed = { a: Number.POSITIVE_INFINITY, b: Number.POSITIVE_INFINITY };
	for (let ms = 0; ms < 5000; ms++) {
		mesh.nodes.clock.advance(1);
		if (mesh.a.role() === "MASTER") claimed.a = Math.min(claimed.a, ms);
		if (mesh.b.role() === "MASTER") claimed.b = Math.min(claimed.b, ms);
	}
	return claimed;
}

describe("two nodes that start in a split network", () => {
	it("with a lease only one claims for as long as the bound, and the other is late by no more than that", () => {
		const without = claims(
			pair({ lease: undefined } as Partial<InstanceConfig>, { lease: undefined } as Partial<InstanceConfig>),
		);
		const mesh = pair();
		const claimed = claims(mesh);
		assert.equal(claimed.a, without.a, "the holder is not late");
		const lateMs = claimed.b - without.b;
		assert.ok(lateMs >= 999 && lateMs <= 1001, `late by ${lateMs} ms`);
		assert.equal(mesh.store.holder, "a");
	});

	it("with a lease whose store fails, hangs or is slow both claim as without", () => {
		const without = claims(
			pair({ lease: undefined } as Partial<InstanceConfig>, { lease: undefined } as Partial<InstanceConfig>),
		);
		for (const spoil of [
			(store: VirtualLeaseStore) => {
				store.mode = "fails";
			},
			(store: VirtualLeaseStore) => {
				store.mode = "hangs";
			},
			(store: VirtualLeaseStore) => {
				store.delayMs = 10_000;
			},
		]) {
			const mesh = pair();
			spoil(mesh.store);
			assert.deepEqual(claims(mesh), without);
		}
	});

	it("one that waits claims at once when the holder lets go", () => {
		const mesh = pair();
		split(mesh);
		mesh.a.start();
		mesh.b.start();
		mesh.nodes.clock.advance(450);
		assert.deepEqual([mesh.a.role(), mesh.b.role()], ["MASTER", "BACKUP"]);
		mesh.a.stop();
		const ms = masterAfterMs(mesh, mesh.b, 5000);
		assert.ok(ms <= 450, `${ms} ms`);
	});
});

describe("nodes that hear each other", () => {
	it("never wait for a lease, neither after a crash nor at a stop", () => {
		for (const leave of ["powerOff", "stop"] as const) {
			const mesh = pair({ priority: 150 });
			mesh.a.start();
			mesh.b.start();
			mesh.nodes.clock.advance(8000);
			assert.deepEqual([mesh.nodes.owners(), mesh.store.holder], [["a"], "a"]);
			mesh.a[leave]();
			const { longestGapMs } = mesh.nodes.watch(600);
			assert.ok(longestGapMs <= (leave === "stop" ? 0 : 362), `${leave}: ${longestGapMs} ms`);
			mesh.nodes.clock.advance(20_000);
			assert.equal(mesh.store.holder, "b");
		}
	});

	it("never wait where only heartbeats pass", () => {
		const fastHeartbeat = { intervalMs: 20, missed: 3, port: 15112 };
		// Adverts of another version are dropped.
		const mesh = pair(
			{ version: 2, advertIntervalMs: 1000, fastHeartbeat, priority: 150 },
			{ version: 3, advertIntervalMs: 1000, fastHeartbeat },
		);
		mesh.a.start();
		mesh.nodes.clock.advance(6000);
		mesh.b.start();
		mesh.nodes.clock.advance(1000);
		assert.deepEqual([mesh.a.role(), mesh.b.role(), mesh.store.holder], ["MASTER", "BACKUP", "a"]);
		mesh.a.powerOff();
		const ms = masterAfterMs(mesh, mesh.b, 2000);
		assert.ok(ms <= 120, `${ms} ms`);
	});

	it("give the lease to the owner by priority, which preempts whoever holds it", () => {
		const mesh = pair({}, { priority: 150 });
		mesh.a.start();
		mesh.nodes.clock.advance(3000);
		assert.equal(mesh.store.holder, "a");
		mesh.b.start();
		mesh.nodes.clock.advance(1000);
		assert.deepEqual(mesh.nodes.owners(), ["b"]);
		mesh.nodes.clock.advance(3000);
		assert.equal(mesh.store.holder, "b");
	});

	it("keep the address whatever the store says: another holder, nobody, errors, silence", () => {
		const mesh = pair({ priority: 150 });
		mesh.a.start();
		mesh.b.start();
		mesh.nodes.clock.advance(8000);
		const stolen = {
			holderIdentity: "b",
			leaseDurationSeconds: 15,
			acquireTime: "",
			leaseTransitions: 9,
			reason: "",
			address: "10.77.0.3",
		};
		for (let round = 0; round < 12; round++) {
			mesh.store.mode = round % 4 === 1 ? "fails" : round % 4 === 2 ? "hangs" : "good";
			mesh.store.lease.stored =
				round % 4 === 3 ? undefined : { record: { ...stolen, renewTime: String(round) }, resourceVersion: `x${round}` };
			assert.deepEqual(mesh.nodes.watch(3000), { noOwnerMs: 0, twoOwnersMs: 0, longestGapMs: 0 });
			assert.deepEqual(mesh.nodes.owners(), ["a"]);
		}
	});
});

describe("a split that heals", () => {
	it("leaves the address with the holder among equals, although its address is lower, and never with nobody", () => {
		const mesh = pair();
		claims(mesh);
		assert.equal(mesh.store.holder, "a");
		mesh.nodes.clock.advance(15_000);
		mesh.nodes.lan.heal();
		const { noOwnerMs, twoOwnersMs } = mesh.nodes.watch(1500);
		assert.deepEqual(mesh.nodes.owners(), ["a"]);
		assert.equal(noOwnerMs, 0);
		assert.ok(twoOwnersMs <= 310, `two owners for ${twoOwnersMs} ms`);
		assert.equal(mesh.nodes.lan.neighbour("10.77.0.100"), mesh.a.host.mac);
	});

	it("leaves it with the higher address when the store is gone, as VRRP has it, and with the higher priority always", () => {
		const equal = pair();
		claims(equal);
		equal.store.mode = "fails";
		equal.nodes.clock.advance(15_000);
		equal.nodes.lan.heal();
		assert.equal(equal.nodes.watch(1500).noOwnerMs, 0);
		assert.deepEqual(equal.nodes.owners(), ["b"]);
		const unequal = pair({}, { priority: 101 });
		unequal.a.start();
		unequal.nodes.clock.advance(3000);
		split(unequal);
		unequal.b.start();
		unequal.nodes.clock.advance(6000);
		assert.deepEqual([unequal.nodes.owners(), unequal.store.holder], [["a", "b"], "a"]);
		unequal.nodes.lan.heal();
		unequal.nodes.clock.advance(300);
		assert.deepEqual(unequal.nodes.owners(), ["b"]);
	});
});

describe("nodes that cannot hear each other, and a lease that decides", () => {
	const decides = { ...lease, decides: true, durationMs: 5000 };
	const silent = {
		lease: decides,
		transport: { type: "unicast", peers: [], ttl: 255, checkSource: true },
		fastHeartbeat: undefined,
	} as unknown as Partial<InstanceConfig>;
	const started = (changed: object = {}): Mesh => {
		const of = { ...silent, lease: { ...decides, ...changed } };
		const mesh = pair(of, of);
		split(mesh);
		mesh.a.start();
		mesh.nodes.clock.advance(500);
		mesh.b.start();
		mesh.nodes.clock.advance(5000);
		assert.deepEqual([mesh.a.role(), mesh.b.role()], ["MASTER", "BACKUP"]);
		return mesh;
	};

	it("have one owner at a time: the next one within the duration of a crash, and soon after a stop", () => {
		const crashed = started();
		crashed.a.powerOff();
		const ms = masterAfterMs(crashed, crashed.b, 10_000);
		assert.ok(ms >= 3000 && ms <= 6500, `${ms} ms`);
		const stopped = started();
		stopped.a.stop();
		const { twoOwnersMs, noOwnerMs } = stopped.nodes.watch(3000);
		assert.deepEqual([stopped.b.role(), twoOwnersMs], ["MASTER", 0]);
		assert.ok(noOwnerMs <= 1500, `${noOwnerMs} ms`);
	});

	it("keep their owner while the store is gone for ten minutes, and nobody else claims", () => {
		const mesh = started();
		mesh.store.mode = "hangs";
		mesh.nodes.clock.advance(600_000);
		assert.deepEqual([mesh.a.role(), mesh.b.role()], ["MASTER", "BACKUP"]);
		mesh.store.mode = "good";
		mesh.nodes.clock.advance(10_000);
		assert.deepEqual([mesh.a.role(), mesh.b.role(), mesh.store.holder], ["MASTER", "BACKUP", "a"]);
	});

	it("whose lease another took let go, and wait for it", () => {
		const mesh = started();
		const seen = mesh.store.lease.stored;
		assert.ok(seen);
		const claim = { identity: "x", durationSeconds: 5, reason: "test", address: "" };
		mesh.store.lease.apply({ type: "acquire", id: 0, claim, seen }, 0);
		mesh.nodes.clock.advance(3000);
		assert.deepEqual([mesh.a.role(), mesh.b.role()], ["BACKUP", "BACKUP"]);
		assert.equal(mesh.nodes.owners().length, 0);
		mesh.nodes.clock.advance(7000);
		assert.equal(mesh.nodes.owners().length, 1);
	});

	it("let go by themselves when they are told to, before another may claim", () => {
		const mesh = started({ releasesWhenUnreachable: true });
		mesh.store.mode = "fails";
		mesh.nodes.clock.advance(4800);
		assert.deepEqual([mesh.a.role(), mesh.nodes.owners().length], ["BACKUP", 0]);
	});
});

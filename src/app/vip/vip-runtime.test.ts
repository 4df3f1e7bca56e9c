import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import { instanceForTest } from "../../vip/vrrp/instance-config.testing.ts";
import { VirtualNodes, vipConfig } from "./virtual-nodes.testing.ts";

const fastHeartbeat = { intervalMs: 20, missed: 3, port: 15112 };

function pair(changed: Partial<InstanceConfig> = {}) {
	const nodes = new VirtualNodes();
	const a = nodes.add("a", { ...changed, priority: 150 });
	const b = nodes.add("b", { ...changed, priority: 100 });
	a.start();
	b.start();
	nodes.clock.advance(6000);
	assert.deepEqual(nodes.owners(), ["a"]);
	return { nodes, a, b };
}

describe("a process with virtual IPs", () => {
	it("gives an address to the node with the highest priority, once", () => {
		const { nodes, a, b } = pair();
		assert.deepEqual([a.role(), b.role()], ["MASTER", "BACKUP"]);
		assert.deepEqual(nodes.watch(500), { noOwnerMs: 0, twoOwnersMs: 0, longestGapMs: 0 });
		assert.equal(nodes.lan.neighbour("10.77.0.100"), a.host.mac);
	});

	it("takes over within three adverts and the skew when the owner's machine is gone, and says so to the LAN", () => {
		const { nodes, a, b } = pair();
		a.powerOff();
		const { longestGapMs } = nodes.watch(600);
		assert.ok(longestGapMs <= 362 && longestGapMs >= 200, `${longestGapMs} ms`);
		assert.deepEqual(nodes.owners(), ["b"]);
		assert.equal(nodes.lan.neighbour("10.77.0.100"), b.host.mac);
	});

	it("takes over within three heartbeats where both send them, whatever the interval of adverts", () => {
		const { nodes, a } = pair({
			fastHeartbeat,
			advertIntervalMs: 1000,
			transport: { type: "multicast", group: "224.0.0.18" },
		});
		a.powerOff();
		const { longestGapMs } = nodes.watch(600);
		assert.ok(longestGapMs <= 100, `${longestGapMs} ms`);
		assert.deepEqual(nodes.owners(), ["b"]);
	});

	it("removes what a crashed run left behind when it starts again, and is a backup then", () => {
		const { nodes, a } = pair();
		a.crash();
		nodes.clock.advance(600);
		assert.deepEqual(nodes.owners(), ["a", "b"], "nobody cleaned up yet");
		a.start();
		assert.deepEqual(nodes.owners(), ["b"]);
		assert.ok(a.logged.some(({ message }) => message === "what a crashed run had left was removed"));
	});

	it("hands over without a gap when it is stopped, and leaves nothing", () => {
		for (const changed of [{}, { fastHeartbeat }]) {
			const { nodes, a } = pair(changed);
			let stopped = false;
			a.stop(() => {
				stopped = true;
			});
			const { noOwnerMs, twoOwnersMs } = nodes.watch(300);
			assert.equal(noOwnerMs, 0);
			assert.ok(twoOwnersMs <= 0.5, `two owners for ${twoOwnersMs} ms`);
			assert.ok(stopped);
			assert.deepEqual(nodes.owners(), ["b"]);
			assert.equal(a.host.addresses.filter(({ owned }) => owned).length, 0);
		}
	});

	it("stops in bounded time when nobody is there to take over", () => {
		const nodes = new VirtualNodes();
		const a = nodes.add("a");
		a.start();
		nodes.clock.advance(1000);
		let stopped = false;
		a.stop(() => {
			stopped = true;
		});
		nodes.clock.advance(250);
		assert.ok(stopped);
		assert.deepEqual(nodes.owners(), []);
	});

	it("puts an address back that somebody else removed", () => {
		const { nodes, a } = pair();
		a.host.removeForeign("10.77.0.100");
		assert.deepEqual(nodes.owners(), ["a"]);
	});

	it("is at fault without a carrier, and a backup again with it", () => {
		const { nodes, a } = pair();
		a.host.setLink("eth0", { running: false });
		assert.equal(a.role(), "FAULT");
		assert.match(a.runtime?.routers.get("web")?.state.because ?? "", /eth0 has no carrier/);
		nodes.clock.advance(500);
		assert.deepEqual(nodes.owners(), ["b"]);
		a.host.setLink("eth0", { running: true });
		nodes.clock.advance(1000);
		assert.deepEqual(nodes.owners(), ["a"]);
	});

	it("waits for an address to send from, and starts when there is one", () => {
		const nodes = new VirtualNodes();
		const a = nodes.add("a");
		a.host.fail("openVrrpSocket", { ok: false, because: "noAddress", message: "eth0 has no IPv4 address" });
		a.start();
		assert.equal(a.role(), "FAULT");
		a.host.fail("openVrrpSocket", undefined);
		a.host.tell({ type: "eventsLost" });
		nodes.clock.advance(1000);
		assert.deepEqual(nodes.owners(), ["a"]);
	});

	it("is at fault for a second when an address cannot be added, and lets the other node have it", () => {
		const { nodes, a, b } = pair();
		b.host.fail("addAddress", { ok: false, because: "notPermitted", message: "not permitted" });
		a.powerOff();
		nodes.clock.advance(450);
		assert.equal(b.role(), "FAULT");
		b.host.fail("addAddress", undefined);
		nodes.clock.advance(2000);
		assert.deepEqual(nodes.owners(), ["b"]);
	});

	it("says which machine has the address although no master is heard", () => {
		const nodes = new VirtualNodes();
		const stranger = nodes.lan.addHost({ name: "stranger", address: "10.77.0.100" });
		const a = nodes.add("a");
		a.start();
		nodes.clock.advance(500);
		const line = a.logged.find(({ message }) => message === "an address is in use, and no master is heard");
		assert.deepEqual(line?.facts, { instance: "web", address: "10.77.0.100", mac: stranger.mac });
		assert.equal(a.runtime?.routers.get("web")?.counts.get("address_conflict"), 1);
	});

	it("takes no owner that it will hear of for a foreign holder", () => {
		const nodes = new VirtualNodes();
		const [a, b] = [nodes.add("a", { priority: 150 }), nodes.add("b")];
		a.start();
		nodes.clock.advance(1000);
		b.start();
		nodes.clock.advance(1000);
		a.powerOff();
		nodes.clock.advance(1000);
		assert.equal(b.role(), "MASTER");
		assert.equal(b.runtime?.routers.get("web")?.counts.get("address_conflict"), undefined);
	});

	it("names another router that uses its VRID for other addresses", () => {
		const nodes = new VirtualNodes();
		const a = nodes.add("a", { priority: 150 });
		const b = nodes.add("b", { addresses: [{ address: "10.77.0.200", prefixLength: 24 }] });
		a.start();
		b.start();
		nodes.clock.advance(1000);
		const [heard] = b.runtime?.routers.get("web")?.others.heard ?? [];
		assert.equal(heard?.source, "10.77.0.2");
		assert.equal(heard?.otherAddresses, true);
	});

	it("names a sender whose password is wrong, with the reason, and counts its packets", () => {
		const version2 = { version: 2, advertIntervalMs: 1000 } as const;
		const nodes = new VirtualNodes();
		const a = nodes.add("a", { ...version2, authentication: { type: "pass", key: "one" } });
		const b = nodes.add("b", { ...version2, authentication: { type: "pass", key: "two" } });
		a.start();
		b.start();
		nodes.clock.advance(10_000);
		const router = a.runtime?.routers.get("web");
		const [dropped] = router?.others.dropped ?? [];
		assert.equal(dropped?.source, "10.77.0.3");
		assert.equal(dropped?.because, "auth_failure");
		assert.equal(router?.counts.get("auth_failure"), dropped?.packets);
	});
});

describe("a planned move", () => {
	const moving = { ...{ fastHeartbeat }, advertIntervalMs: 1000 };

	it("gives the address to the named node without a gap, and does not take it back", () => {
		const { nodes, a } = pair(moving);
		const result = a.move("b");
		const { noOwnerMs, twoOwnersMs } = nodes.watch(500);
		assert.equal(noOwnerMs, 0);
		assert.ok(twoOwnersMs <= 0.5, `two owners for ${twoOwnersMs} ms`);
		assert.deepEqual(nodes.owners(), ["b"]);
		assert.ok(result.answer?.ok, JSON.stringify(result.answer));
		nodes.clock.advance(20_000);
		assert.deepEqual(nodes.owners(), ["b"]);
	});

	it("names no one to a node that is not heard, and says who is", () => {
		const { nodes, a } = pair(moving);
		const result = a.move("c");
		assert.deepEqual(result.answer, {
			ok: false,
			because: "no heartbeat of c is heard on eth0; heard: 10.77.0.3",
		});
		assert.deepEqual(nodes.owners(), ["a"]);
	});

	it("is refused by a node that does not own the address, which says who does", () => {
		const { b } = pair(moving);
		assert.deepEqual(b.move("a").answer, {
			ok: false,
			because: "this node does not own web (it is BACKUP); 10.77.0.2 does: ask there",
		});
	});

	it("ends with the old owner when the successor is gone meanwhile", () => {
		const { nodes, a, b } = pair(moving);
		b.powerOff();
		const result = a.move("b");
		nodes.clock.advance(3000);
		assert.equal(result.answer?.ok, false);
		assert.deepEqual(nodes.owners(), ["a"]);
	});

	it("moves all members of a sync group", () => {
		const nodes = new VirtualNodes();
		const two = (priority: number) =>
			vipConfig({
				instances: [
					instanceForTest({ ...moving, priority }),
					instanceForTest({
						...moving,
						priority,
						name: "db",
						virtualRouterId: 52,
						addresses: [{ address: "10.77.0.101", prefixLength: 24 }],
					}),
				],
				groups: [{ name: "both", members: ["web", "db"], tracked: [], usesWeights: false, notify: {} }],
			});
		const a = nodes.addWith("a", two(150));
		const b = nodes.addWith("b", two(100));
		a.start();
		b.start();
		nodes.clock.advance(6000);
		assert.deepEqual(nodes.owners("10.77.0.101"), ["a"]);
		a.move("b");
		nodes.clock.advance(1000);
		assert.deepEqual([nodes.owners(), nodes.owners("10.77.0.101")], [["b"], ["b"]]);
		assert.equal(b.runtime?.groups.roleOf("both"), "MASTER");
	});
});

describe("a changed configuration", () => {
	it("adds and removes addresses of a master that stays master, the new one first", () => {
		const { nodes, a } = pair();
		a.reload(
			vipConfig({
				instances: [instanceForTest({ priority: 150, addresses: [{ address: "10.77.0.101", prefixLength: 24 }] })],
			}),
		);
		assert.deepEqual(nodes.owners("10.77.0.101"), ["a"]);
		assert.deepEqual(nodes.owners(), []);
		assert.equal(a.role(), "MASTER");
		nodes.clock.advance(2000);
		assert.equal(a.moves.length, 2, "INIT to BACKUP to MASTER, and nothing since");
		assert.equal(nodes.lan.neighbour("10.77.0.101"), a.host.mac);
	});

	it("keeps the address while the transport, the interval, the name and the password change on both nodes", () => {
		const { nodes, a, b } = pair();
		const unicast = (peer: string) =>
			({ type: "unicast", peers: [{ address: peer }], ttl: 255, checkSource: false }) as const;
		const changed = (priority: number, peer: string) =>
			vipConfig({
				instances: [instanceForTest({ name: "renamed", priority, advertIntervalMs: 200, transport: unicast(peer) })],
			});
		a.reload(changed(150, "10.77.0.3"));
		b.reload(changed(100, "10.77.0.2"));
		assert.deepEqual(nodes.watch(3000), { noOwnerMs: 0, twoOwnersMs: 0, longestGapMs: 0 });
		assert.equal(a.role("renamed"), "MASTER");
	});

	it("is believed by the others after it, where they demand that sequences grow", () => {
		for (const authentication of [
			{ type: "ah", key: "secret" },
			{ type: "hmac", key: "0123456789abcdef0123456789abcdef" },
		] as const) {
			const version = authentication.type === "ah" ? 2 : 3;
			const { nodes, a, b } = pair({ version, advertIntervalMs: 1000, authentication });
			const more = [
				{ address: "10.77.0.100", prefixLength: 24 },
				{ address: "10.77.0.101", prefixLength: 24 },
			];
			for (const [node, priority] of [
				[a, 150],
				[b, 100],
			] as const)
				node.reload(
					vipConfig({
						instances: [
							instanceForTest({ version, advertIntervalMs: 1000, authentication, priority, addresses: more }),
						],
					}),
				);
			assert.deepEqual(nodes.watch(8000), { noOwnerMs: 0, twoOwnersMs: 0, longestGapMs: 0 });
			assert.deepEqual(b.runtime?.routers.get("web")?.others.dropped, []);
		}
	});

	it("hands over an instance that is gone from the file, and forgets it", () => {
		const { nodes, a } = pair();
		a.reload(vipConfig({ instances: [] }));
		assert.equal(nodes.watch(1000).noOwnerMs, 0);
		assert.deepEqual(nodes.owners(), ["b"]);
		assert.equal(a.moves.at(-1)?.kind === "INSTANCE" && a.moves.at(-1)?.transition.to, "STOP");
	});

	it("lowers a priority, and the other node takes over", () => {
		const { nodes, a } = pair();
		a.reload(vipConfig({ instances: [instanceForTest({ priority: 50 })] }));
		nodes.clock.advance(1000);
		assert.deepEqual(nodes.owners(), ["b"]);
	});
});

describe("packets of strangers", () => {
	it("that claim the address of an owner are each counted, and said once a second", () => {
		const { nodes, a } = pair();
		const before = a.logged.length;
		for (let count = 0; count < 50; count++)
			a.host.hearOwner("10.77.0.100", `02:00:00:00:01:${count.toString(16).padStart(2, "0")}`);
		assert.equal(a.runtime?.routers.get("web")?.counts.get("address_conflict"), 50);
		assert.equal(a.logged.length - before, 1);
		assert.deepEqual(nodes.owners(), ["a"]);
	});

	it("are counted each, and said once a second, whoever sends them", () => {
		const nodes = new VirtualNodes();
		const a = nodes.add("a");
		a.start();
		nodes.clock.advance(1000);
		const before = a.logged.length;
		const { clock, lan } = nodes;
		for (let sender = 1; sender <= 200; sender++) {
			const source = `10.77.1.${sender}`;
			const payload = Uint8Array.of(0x31, 51, 100, 1, 0, 10, 0, 0, 10, 77, 0, 100);
			lan.deliver({ from: "stranger", source, destination: "224.0.0.18", ttl: 255, protocol: 112, payload });
			clock.advance(1);
		}
		const router = a.runtime?.routers.get("web");
		assert.equal(router?.counts.get("chk_err"), 200);
		assert.equal(a.logged.length - before, 1);
		assert.ok((router?.others.dropped.length ?? 0) <= 32);
	});
});

describe("health", () => {
	const tracker = {
		name: "check",
		weight: 0,
		reverse: false,
		rise: 1,
		fall: 1,
		startsFailed: false,
		firstResultDecides: true,
		check: { type: "tcp", host: "127.0.0.1", port: 80, intervalMs: 100, timeoutMs: 100 },
	} as const;

	it("keeps a master that gets a new check by a reload until that has failed", () => {
		const { nodes, a } = pair();
		const checked = instanceForTest({ priority: 150, tracked: [{ tracker: "check" }] });
		a.reload(vipConfig({ instances: [checked], trackers: [tracker] }));
		assert.equal(nodes.watch(1000).noOwnerMs, 0);
		assert.equal(a.role(), "MASTER");
		a.runtime?.trackerResult("check", { ok: false, because: "refused" });
		nodes.clock.advance(500);
		assert.deepEqual(nodes.owners(), ["b"]);
	});

	it("starts a sync group when all its members have the first results of their checks", () => {
		const nodes = new VirtualNodes();
		const other = { name: "db", virtualRouterId: 52, addresses: [{ address: "10.77.0.101", prefixLength: 24 }] };
		const a = nodes.addWith(
			"a",
			vipConfig({
				instances: [instanceForTest(), instanceForTest({ ...other, tracked: [{ tracker: "check" }] })],
				groups: [{ name: "both", members: ["web", "db"], tracked: [], usesWeights: false, notify: {} }],
				trackers: [tracker],
			}),
		);
		a.start();
		nodes.clock.advance(1000);
		assert.deepEqual([a.role("web"), a.role("db")], ["INIT", "INIT"]);
		a.runtime?.trackerResult("check", { ok: true, because: "good" });
		nodes.clock.advance(1000);
		assert.deepEqual([a.role("web"), a.role("db")], ["MASTER", "MASTER"]);
		assert.deepEqual(
			a.moves.map((move) => `${move.config.name} ${move.transition.to}`).filter((text) => text.includes("FAULT")),
			[],
		);
	});

	it("moves the address when a check of weight 0 fails, and back when it is good again", () => {
		const nodes = new VirtualNodes();
		const withCheck = (priority: number) =>
			vipConfig({
				instances: [
					instanceForTest({
						priority,
						tracked: [{ tracker: "check" }],
						health: { whenAllFail: "release", holdDownMs: 0, maxHoldDownMs: 0 },
					}),
				],
				trackers: [tracker],
			});
		const a = nodes.addWith("a", withCheck(150));
		const b = nodes.addWith("b", withCheck(100));
		for (const node of [a, b]) {
			node.start();
			assert.equal(node.role(), "INIT", "before the first result");
			node.runtime?.trackerResult("check", { ok: true, because: "connected" });
		}
		nodes.clock.advance(1000);
		assert.deepEqual(nodes.owners(), ["a"]);
		assert.deepEqual(
			a.moves.map(({ transition }) => transition.to),
			["BACKUP", "MASTER"],
			"nobody is told of a fault that was none",
		);
		a.runtime?.trackerResult("check", { ok: false, because: "refused" });
		assert.equal(a.role(), "FAULT");
		nodes.clock.advance(200);
		assert.deepEqual(nodes.owners(), ["b"]);
		a.runtime?.trackerResult("check", { ok: true, because: "connected" });
		nodes.clock.advance(1000);
		assert.deepEqual(nodes.owners(), ["a"]);
	});
});

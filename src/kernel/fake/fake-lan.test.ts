import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import type { AddressConflict, NetworkEvent, VrrpPacket } from "../host-network.ts";
import { FakeLan } from "./fake-lan.ts";

const vip = { address: "10.0.0.100", prefixLength: 24 };
const multicast = {
	interface: "eth0",
	family: "ipv4",
	transport: { type: "multicast", group: "224.0.0.18" },
} as const;

const twoHosts = () => {
	const clock = new VirtualClock();
	const lan = new FakeLan(clock, 0.5);
	const a = lan.addHost({ name: "a", address: "10.0.0.2" });
	const b = lan.addHost({ name: "b", address: "10.0.0.3" });
	return { clock, lan, a, b };
};

describe("a LAN in memory", () => {
	it("brings VRRP to the others after its latency, and not to the sender", () => {
		const { clock, a, b } = twoHosts();
		const heard: VrrpPacket[] = [];
		b.open().openVrrpSocket(multicast, (packet) => heard.push(packet));
		const sender = a.open().openVrrpSocket(multicast, () => assert.fail("heard itself"));
		assert.ok(sender.ok);
		sender.value.send(Uint8Array.of(1, 2, 3), "224.0.0.18");
		assert.equal(heard.length, 0);
		clock.advance(0.5);
		assert.deepEqual(
			heard.map((packet) => [packet.source, packet.destination, packet.ttl, packet.receivedUs, [...packet.payload]]),
			[["10.0.0.2", "224.0.0.18", 255, 500, [1, 2, 3]]],
		);
	});

	it("loses what is cut off, and what a link without a carrier would carry", () => {
		const { clock, lan, a, b } = twoHosts();
		const heard: VrrpPacket[] = [];
		b.open().openVrrpSocket(multicast, (packet) => heard.push(packet));
		const sender = a.open().openVrrpSocket(multicast, () => {});
		assert.ok(sender.ok);
		const send = () => {
			sender.value.send(Uint8Array.of(1), "224.0.0.18");
			clock.advance(1);
			return heard.splice(0).length;
		};
		assert.equal(send(), 1);
		lan.cut("a", "b");
		assert.equal(send(), 0);
		lan.heal();
		a.setLink("eth0", { running: false });
		assert.equal(send(), 0);
		a.setLink("eth0", { running: true });
		assert.equal(send(), 1);
	});

	it("keeps addresses over a crash, and removes exactly the owned ones after it", () => {
		const { lan, a } = twoHosts();
		assert.deepEqual(a.open().addAddress("eth0", vip), { ok: true, changed: true });
		a.crash();
		assert.deepEqual(lan.owners(vip.address), ["a"]);
		assert.deepEqual(a.open().cleanUp().removed, ["address 10.0.0.100/24 on eth0"]);
		assert.deepEqual([lan.owners(vip.address), lan.owners("10.0.0.2")], [[], ["a"]]);
	});

	it("tells of another who uses the address, when asked or when it announces", () => {
		const { clock, a, b } = twoHosts();
		const conflicts: AddressConflict[] = [];
		const options = { interface: "eth0", addresses: [vip.address] };
		const watch = a.open().watchConflicts(options, (conflict) => conflicts.push(conflict));
		const other = b.open();
		other.addAddress("eth0", vip);
		assert.ok(watch.ok);
		watch.value.probe(vip.address);
		clock.advance(1);
		other.announce("eth0", vip.address);
		const mac = other.link("eth0")?.mac;
		assert.deepEqual(conflicts, [
			{ address: vip.address, mac },
			{ address: vip.address, mac },
		]);
	});

	it("tells of links and addresses, and fails as told", () => {
		const { a } = twoHosts();
		const network = a.open();
		const events: NetworkEvent["type"][] = [];
		network.watch((event) => events.push(event.type));
		a.setLink("eth0", { up: false });
		network.addAddress("eth0", vip);
		a.removeForeign(vip.address);
		assert.deepEqual(events, ["link", "addressAdded", "addressRemoved"]);
		const failure = { ok: false, because: "notPermitted", message: "no" } as const;
		a.fail("addAddress", failure);
		assert.deepEqual(network.addAddress("eth0", vip), failure);
		const announced = network.announce("eth0", vip.address);
		assert.equal(!announced.ok && announced.because, "interfaceDown");
	});
});

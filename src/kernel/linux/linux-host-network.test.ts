// The real kernel, in namespaces of the test: two hosts on a bridge, and what one does is seen by the other or by `ip`.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { cannotRun, createRig, type Host, type Rig } from "../../node/namespace-rig.testing.ts";
import type { HostNetwork, NetworkEvent, VrrpPacket } from "../host-network.ts";
import { BlockingLoop } from "./blocking-loop.ts";
import { openLinuxHostNetwork } from "./linux-host-network.ts";

const vip = { address: "10.77.0.100", prefixLength: 24 };

describe("virtual IPs on Linux", { skip: cannotRun }, () => {
	let rig: Rig;
	let a: Host;
	let b: Host;
	const loop = new BlockingLoop();
	let networkA: HostNetwork;
	let networkB: HostNetwork;

	/** Runs the loop until it is so; fails after 2 s. */
	const until = (isSo: () => boolean, what: string) => {
		const end = loop.nowUs() + 2e6;
		while (!isSo()) {
			assert.ok(loop.nowUs() < end, `waited 2 s for: ${what}`);
			loop.run(loop.nowUs() + 2000);
		}
	};

	before(() => {
		rig = createRig();
		a = rig.addHost("a", "10.77.0.2");
		b = rig.addHost("b", "10.77.0.3");
		networkA = openLinuxHostNetwork({ loop, netns: a.netns });
		networkB = openLinuxHostNetwork({ loop, netns: b.netns });
	});
	after(() => {
		networkA?.close();
		networkB?.close();
		rig?.close();
	});

	it("adds an address, once, and removes it, once", () => {
		assert.deepEqual(networkA.addAddress("eth0", vip), { ok: true, changed: true });
		assert.deepEqual(networkA.addAddress("eth0", vip), { ok: true, changed: false });
		assert.match(a.exec("ip", "-4", "address", "show", "dev", "eth0"), /inet 10\.77\.0\.100\/24 /);
		assert.deepEqual(
			networkA.ownedAddresses().map((one) => [one.interface, one.address, one.prefixLength]),
			[["eth0", "10.77.0.100", 24]],
		);
		assert.deepEqual(networkA.removeAddress("eth0", vip), { ok: true, changed: true });
		assert.deepEqual(networkA.removeAddress("eth0", vip), { ok: true, changed: false });
		assert.deepEqual(networkA.ownedAddresses(), []);
	});

	it("hears VRRP on the group from another host, with TTL, source and destination", () => {
		for (const [family, group] of [
			["ipv4", "224.0.0.18"],
			["ipv6", "ff02::12"],
		] as const) {
			const heard: VrrpPacket[] = [];
			until(() => networkA.addresses("eth0").some((one) => one.scope === "link" && !one.tentative), "link-local");
			until(() => networkB.addresses("eth0").some((one) => one.scope === "link" && !one.tentative), "link-local");
			const options = { interface: "eth0", family, transport: { type: "multicast", group } } as const;
			const receiver = networkB.openVrrpSocket(options, (packet) => {
				heard.push({ ...packet, payload: Uint8Array.from(packet.payload) });
			});
			const sender = networkA.openVrrpSocket(options, () => assert.fail("heard its own packet"));
			assert.ok(receiver.ok && sender.ok, JSON.stringify([receiver, sender]));
			const bytes = Uint8Array.of(0x31, 51, 100, 1, 0, 100, 0, 0, 10, 77, 0, 100);
			assert.deepEqual(sender.value.send(bytes, group), { ok: true, changed: true });
			until(() => heard.length === 1, "the packet");
			const [packet] = heard;
			assert.deepEqual(
				[packet?.source, packet?.destination, packet?.ttl, packet?.protocol, packet?.payload],
				[sender.value.source, group, 255, 112, bytes],
			);
			receiver.value.close();
			sender.value.close();
		}
	});

	it("tells of addresses and links that others change", () => {
		const events: NetworkEvent[] = [];
		const cancel = networkA.watch((event) => events.push(event));
		a.exec("ip", "address", "add", "10.77.0.120/24", "dev", "eth0");
		until(
			() => events.some((event) => event.type === "addressAdded" && event.address.address === "10.77.0.120"),
			"the address",
		);
		cancel();
	});

	it("announces an address, so that neighbours learn it at once", () => {
		networkA.addAddress("eth0", vip);
		b.exec("ip", "neighbour", "replace", vip.address, "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0");
		assert.deepEqual(networkA.announce("eth0", vip.address), { ok: true, changed: true });
		const mac = networkA.link("eth0")?.mac ?? "";
		until(() => b.exec("ip", "neighbour", "show", vip.address).includes(mac), "the neighbour's cache");
		networkA.cleanUp();
	});
});

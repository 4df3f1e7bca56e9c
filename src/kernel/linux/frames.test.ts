// What goes over the wire between two hosts: announcements, probes, adverts, as tcpdump and the other host see them.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { after, afterEach, before, describe, it } from "node:test";
import { cannotRun, type Host } from "../../node/namespace-rig.testing.ts";
import { AdvertCodec } from "../../vip/vrrp/advert-codec.ts";
import { instanceForTest, nodeHashes } from "../../vip/vrrp/instance-config.testing.ts";
import type { AddressConflict, HostNetwork, UdpDatagram, VrrpPacket, VrrpSocketOptions } from "../host-network.ts";
import { startTwoHosts, type TwoHosts } from "./two-hosts.testing.ts";

const vip = { address: "10.77.0.100", prefixLength: 24 };
const vip6 = { address: "fd00:77::100", prefixLength: 64 };
const changed = { ok: true, changed: true };
const noTcpdump = spawnSync("sh", ["-c", "command -v tcpdump"]).status === 0 ? false : "tcpdump is not installed";
const groups = { ipv4: "224.0.0.18", ipv6: "ff02::12" } as const;

describe("frames between two hosts", { skip: cannotRun }, () => {
	let hosts: TwoHosts;
	before(() => {
		hosts = startTwoHosts();
	});
	after(() => hosts?.close());
	afterEach(() => {
		hosts.networkA.cleanUp();
		hosts.networkB.cleanUp();
	});

	/** What tcpdump on the other host prints for the frames that `send` sends. */
	const dumped = async (filter: string, count: number, send: () => void, on: Host = hosts.b): Promise<string> => {
		const words = ["-i", "eth0", "-n", "-e", "-v", "-l", "--immediate-mode", "-c", String(count), filter];
		const tcpdump = spawn("nsenter", [`--net=${on.netns}`, "--", "tcpdump", ...words]);
		await listening(tcpdump);
		const ended = textOf(tcpdump);
		send();
		return await ended;
	};
	const open = (
		network: HostNetwork,
		options: VrrpSocketOptions,
		onPacket: (packet: VrrpPacket) => void = () => {},
	) => {
		const opened = network.openVrrpSocket(options, (packet) =>
			onPacket({
				...packet,
				payload: Uint8Array.from(packet.payload),
				...(packet.ipHeader && { ipHeader: Uint8Array.from(packet.ipHeader) }),
			}),
		);
		assert.ok(opened.ok, JSON.stringify(opened));
		return opened.value;
	};

	it("carries gratuitous ARP as a broadcast request, or a reply", { skip: noTcpdump }, async () => {
		const mac = hosts.networkA.link("eth0")?.mac;
		const text = await dumped("arp", 2, () => {
			assert.deepEqual(hosts.networkA.announce("eth0", vip.address), changed);
			assert.deepEqual(hosts.networkA.announce("eth0", vip.address, { form: "reply" }), changed);
		});
		assert.match(text, new RegExp(`${mac} > ff:ff:ff:ff:ff:ff, ethertype ARP`));
		assert.match(text, /Request who-has 10\.77\.0\.100 \(ff:ff:ff:ff:ff:ff\) tell 10\.77\.0\.100/);
		assert.match(text, new RegExp(`Reply 10\\.77\\.0\\.100 is-at ${mac}`));
	});

	it("carries neighbour advertisements with override, and as a router where it is one", {
		skip: noTcpdump,
	}, async () => {
		const mac = hosts.networkA.link("eth0")?.mac;
		const text = await dumped("icmp6 and ip6[40] == 136", 2, () => {
			hosts.networkA.announce("eth0", vip6.address);
			hosts.a.exec("sysctl", "-q", "-w", "net.ipv6.conf.eth0.forwarding=1");
			hosts.networkA.announce("eth0", vip6.address);
			hosts.a.exec("sysctl", "-q", "-w", "net.ipv6.conf.eth0.forwarding=0");
		});
		const lines = text.split("\n").filter((line) => line.includes("tgt is"));
		assert.match(text, new RegExp(`${mac} > 33:33:00:00:00:01.*hlim 255.*fd00:77::100 > ff02::1: \\[icmp6 sum ok\\]`));
		assert.match(lines[0] ?? "", /tgt is fd00:77::100, Flags \[override\]/);
		assert.match(lines[1] ?? "", /tgt is fd00:77::100, Flags \[router, override\]/);
		assert.match(text, new RegExp(`destination link-address option \\(2\\), length 8 \\(1\\): ${mac}`));
	});

	it("lets neighbours learn an address at once", () => {
		const { networkA, b, until } = hosts;
		networkA.addAddress("eth0", vip);
		b.exec("ip", "neighbour", "replace", vip.address, "lladdr", "02:00:00:00:00:99", "nud", "stale", "dev", "eth0");
		networkA.announce("eth0", vip.address);
		const mac = networkA.link("eth0")?.mac ?? "no MAC";
		until(() => b.exec("ip", "neighbour", "show", vip.address).includes(mac), "the neighbour's cache");
		networkA.cleanUp();
	});

	it("says when an interface is down", () => {
		const { networkB, b, until } = hosts;
		b.exec("ip", "link", "set", "eth0", "down");
		const announced = networkB.announce("eth0", vip.address);
		b.exec("ip", "link", "set", "eth0", "up");
		b.exec("ip", "address", "replace", "fe80::b/64", "dev", "eth0", "nodad");
		assert.equal(!announced.ok && announced.because, "interfaceDown");
		until(() => networkB.link("eth0")?.running === true, "the link");
	});

	for (const [version, family, text] of [
		[2, "ipv4", /VRRPv2, Advertisement, vrid 51, prio 150, authtype none, intvl 1s, length 20, addrs: 10\.77\.0\.100/],
		[3, "ipv4", /VRRPv3, Advertisement, vrid 51, prio 150, intvl 100cs, length 12, addrs: 10\.77\.0\.100/],
		[3, "ipv6", /VRRPv3, Advertisement, vrid 51, prio 150, intvl 100cs, length 24, addrs: fe80::100/],
	] as const)
		it(`sends VRRP version ${version} by ${family} as tcpdump reads it, and hears it`, {
			skip: noTcpdump,
		}, async () => {
			const { networkA, networkB, until } = hosts;
			const heard: VrrpPacket[] = [];
			const options = { interface: "eth0", family, transport: { type: "multicast", group: groups[family] } } as const;
			const receiver = open(networkB, options, (packet) => heard.push(packet));
			const sender = open(networkA, options, () => assert.fail("heard itself"));
			const config = instanceForTest({
				...{ version, family, interface: "eth0", virtualRouterId: 51, advertIntervalMs: 1000 },
				transport: options.transport,
				addresses: [family === "ipv4" ? vip : { address: "fe80::100", prefixLength: 64 }],
			});
			const [coder, decoder] = [sender, receiver].map(({ source }) => new AdvertCodec(config, source, nodeHashes));
			const bytes = coder?.encode({ priority: 150, intervalMs: 1000 }, groups[family], 0) ?? new Uint8Array();
			const printed = await dumped("ip proto 112 or ip6 proto 112", 1, () => {
				assert.deepEqual(sender.send(bytes, groups[family]), changed);
			});
			assert.match(printed, text);
			assert.match(printed, family === "ipv4" ? /tos 0xc0, ttl 255/ : /class 0xc0.*hlim 255/);
			assert.doesNotMatch(printed, /bad/);
			until(() => heard.length > 0, "the packet");
			const [packet] = heard;
			assert.ok(packet);
			assert.deepEqual(
				[packet.source, packet.destination, packet.ttl, packet.protocol, heard.length],
				[sender.source, groups[family], 255, 112, 1],
			);
			const decoded = decoder?.decode(packet, 0);
			assert.equal(decoded?.ok && decoded.advert.priority, 150, JSON.stringify(decoded));
			receiver.close();
			sender.close();
		});

	it("sends to a peer with the TTL it was given, and hears nothing of the group", () => {
		const { networkA, networkB, until, runForMs } = hosts;
		const heard: VrrpPacket[] = [];
		const unicast = { interface: "eth0", family: "ipv4", transport: { type: "unicast" } } as const;
		const receiver = open(networkB, unicast, (packet) => heard.push(packet));
		const sender = open(networkA, { ...unicast, ttl: 64 });
		assert.deepEqual(sender.send(Uint8Array.of(0x31, 1), "10.77.0.3"), changed);
		until(() => heard.length > 0, "the packet");
		assert.deepEqual([heard[0]?.source, heard[0]?.destination, heard[0]?.ttl], ["10.77.0.2", "10.77.0.3", 64]);
		sender.send(Uint8Array.of(0x31, 1), groups.ipv4);
		runForMs(20);
		assert.equal(heard.length, 1);
		receiver.close();
		sender.close();
	});

	it("carries the authentication header, with the IP header as it was signed", () => {
		const { networkA, networkB, until } = hosts;
		const heard: VrrpPacket[] = [];
		const transport = { type: "multicast", group: groups.ipv4 } as const;
		const options = { interface: "eth0", family: "ipv4", transport, authenticationHeader: true } as const;
		const receiver = open(networkB, options, (packet) => heard.push(packet));
		const sender = open(networkA, options);
		const config = instanceForTest({
			...{ version: 2, advertIntervalMs: 1000, transport, addresses: [vip] },
			authentication: { type: "ah", key: "secret" },
		});
		const bytes = new AdvertCodec(config, sender.source, nodeHashes).encode(
			{ priority: 150, intervalMs: config.advertIntervalMs },
			groups.ipv4,
			0,
		);
		assert.deepEqual(sender.send(bytes, groups.ipv4), changed);
		until(() => heard.length > 0, "the packet");
		const [packet] = heard;
		assert.ok(packet);
		assert.deepEqual([packet.protocol, packet.ttl, packet.source], [51, 255, "10.77.0.2"]);
		const decoded = new AdvertCodec(config, receiver.source, nodeHashes).decode(packet, 0);
		assert.equal(decoded.ok && decoded.advert.priority, 150, JSON.stringify(decoded));
		receiver.close();
		sender.close();
	});

	it("exchanges datagrams of heartbeats", () => {
		const { networkA, networkB, until } = hosts;
		for (const [family, to, source] of [
			["ipv4", "10.77.0.3", "10.77.0.2"],
			["ipv6", "fe80::b", "fe80::a"],
		] as const) {
			const heard: UdpDatagram[] = [];
			const options = { family, port: 15_112, interface: "eth0" };
			const receiver = networkB.openUdpSocket(options, (one) =>
				heard.push({ ...one, bytes: Uint8Array.from(one.bytes) }),
			);
			const sender = networkA.openUdpSocket({ ...options, port: 0 }, () => {});
			assert.ok(receiver.ok && sender.ok, JSON.stringify([receiver, sender]));
			assert.deepEqual(sender.value.send(Uint8Array.of(1, 2), to, 15_112), changed);
			until(() => heard.length > 0, "the datagram");
			assert.deepEqual(
				[heard[0]?.source, heard[0]?.port, heard[0]?.bytes],
				[source, sender.value.port, Uint8Array.of(1, 2)],
			);
			receiver.value.close();
			sender.value.close();
		}
	});

	it("hears of another who has the address, when it asks and when the other announces", () => {
		const { b, networkA, networkB, until, runForMs } = hosts;
		const conflicts: AddressConflict[] = [];
		const addresses = [vip.address, vip6.address];
		const watch = networkA.watchConflicts({ interface: "eth0", addresses }, (conflict) => conflicts.push(conflict));
		assert.ok(watch.ok, JSON.stringify(watch));
		const mac = networkB.link("eth0")?.mac ?? "";
		const isAsked = (address: string) =>
			address === vip.address || b.exec("ip", "-6", "maddress", "show", "dev", "eth0").includes("ff02::1:ff00:100");
		for (const address of addresses) {
			watch.value.probe(address);
			runForMs(30);
			assert.deepEqual(conflicts, [], "nobody has it");
			networkB.addAddress("eth0", address === vip.address ? vip : vip6);
			// The kernel joins the group of an IPv6 address a little later.
			until(() => isAsked(address), "it can be asked");
			watch.value.probe(address);
			until(() => conflicts.length > 0, `who has ${address}`);
			assert.deepEqual(conflicts.splice(0), [{ address, mac }]);
			networkB.announce("eth0", address);
			until(() => conflicts.length > 0, `${address} announced`);
			assert.deepEqual(conflicts.splice(0), [{ address, mac }]);
			networkA.announce("eth0", address);
			networkB.announce("eth0", "10.77.0.111");
			runForMs(20);
			assert.deepEqual(conflicts.splice(0), [], "own and other addresses");
		}
		watch.value.setAddresses([]);
		networkB.announce("eth0", vip.address);
		runForMs(20);
		assert.deepEqual(conflicts, []);
		watch.value.close();
		networkB.cleanUp();
	});

	it("sends and announces from a virtual MAC, and leaves the base as it was", { skip: noTcpdump }, async () => {
		const { a, networkA, networkB, until } = hosts;
		const name = "vrrp.51";
		const create = () => networkA.createVirtualMac("eth0", 51, "ipv4", { interface: name, sendFromBase: false });
		const setting = (of: string, which: string) => a.exec("cat", `/proc/sys/net/ipv4/conf/${of}/${which}`).trim();
		assert.deepEqual(create(), changed);
		assert.deepEqual(create(), { ok: true, changed: false });
		const shown = a.exec("ip", "-d", "link", "show", name);
		assert.match(shown, /link\/ether 00:00:5e:00:01:33/);
		assert.match(shown, /macvlan mode private/);
		assert.match(shown, /addrgenmode none/);
		assert.equal(a.exec("ip", "-o", "-6", "address", "show", "dev", name), "");
		assert.deepEqual([setting("eth0", "arp_ignore"), setting("eth0", "arp_filter")], ["1", "1"]);
		assert.deepEqual([setting(name, "accept_local"), setting(name, "rp_filter")], ["1", "0"]);
		until(() => networkA.link(name)?.running === true, "the interface");
		const other = { interface: "vrrp.52", sendFromBase: false };
		assert.deepEqual(networkA.createVirtualMac("eth0", 52, "ipv4", other), changed);

		const heard: VrrpPacket[] = [];
		const transport = { type: "multicast", group: groups.ipv4 } as const;
		const receiver = open(networkB, { interface: "eth0", family: "ipv4", transport }, (packet) => heard.push(packet));
		const onVirtualMac = open(networkA, { interface: name, family: "ipv4", transport }, (packet) => heard.push(packet));
		assert.equal(onVirtualMac.source, "10.77.0.2");
		networkA.addAddress(name, { ...vip, prefixLength: 32 });
		const printed = await dumped("ip proto 112 or arp", 2, () => {
			assert.deepEqual(onVirtualMac.send(Uint8Array.of(0x31, 51), groups.ipv4), changed);
			networkA.announce(name, vip.address);
		});
		assert.match(printed, /00:00:5e:00:01:33 > 01:00:5e:00:00:12/);
		assert.match(printed, /00:00:5e:00:01:33 > ff:ff:ff:ff:ff:ff, ethertype ARP/);
		until(() => heard.length === 1, "the packet on the other host");
		receiver.send(Uint8Array.of(0x31, 51), groups.ipv4);
		until(() => heard.length === 2, "a packet on the virtual MAC");
		const asking = networkB.openUdpSocket({ family: "ipv4", port: 0 }, () => {});
		assert.ok(asking.ok);
		asking.value.send(Uint8Array.of(1), vip.address, 9);
		asking.value.close();
		const neighbour = () => hosts.b.exec("ip", "neighbour", "show", vip.address);
		until(() => /00:00:5e:00:01:33/.test(neighbour()), "the answer to ARP");
		onVirtualMac.close();
		receiver.close();

		assert.deepEqual(networkA.removeVirtualMac(name), changed);
		assert.equal(setting("eth0", "arp_ignore"), "1", "another virtual MAC stands on it");
		assert.deepEqual(networkA.removeVirtualMac(name), { ok: true, changed: false });
		assert.deepEqual(networkA.removeVirtualMac("vrrp.52"), changed);
		assert.deepEqual([setting("eth0", "arp_ignore"), setting("eth0", "arp_filter")], ["0", "0"]);
		const taken = networkA.createVirtualMac("eth0", 51, "ipv4", { interface: "lo", sendFromBase: false });
		assert.equal(!taken.ok && taken.because, "busy");
	});

	it("sends IPv6 from a virtual MAC by the link-local address of its base", async () => {
		const { networkA, networkB, b, until } = hosts;
		const name = "vrrp6.51";
		const made = networkA.createVirtualMac("eth0", 51, "ipv6", { interface: name, sendFromBase: false });
		assert.deepEqual(made, changed);
		until(() => networkA.link(name)?.running === true, "the interface");
		const heard: VrrpPacket[] = [];
		const transport = { type: "multicast", group: groups.ipv6 } as const;
		const receiver = open(networkB, { interface: "eth0", family: "ipv6", transport }, (packet) => heard.push(packet));
		const sender = open(networkA, { interface: name, family: "ipv6", transport });
		assert.deepEqual(sender.send(Uint8Array.of(0x31, 51), groups.ipv6), changed);
		until(() => heard.length > 0, "the packet");
		assert.equal(heard[0]?.source, "fe80::a");
		assert.equal(networkA.link(name)?.mac, "00:00:5e:00:02:33");
		networkA.addAddress(name, vip6);
		b.exec("ip", "address", "add", "fd00:77::b/64", "dev", "eth0", "nodad");
		const asking = networkB.openUdpSocket({ family: "ipv6", port: 0 }, () => {});
		assert.ok(asking.ok);
		const neighbour = () => b.exec("ip", "neighbour", "show", vip6.address);
		until(() => {
			asking.value.send(Uint8Array.of(1), vip6.address, 9);
			return /00:00:5e:00:02:33/.test(neighbour());
		}, "the answer to a neighbour solicitation");
		for (const socket of [asking.value, receiver, sender]) socket.close();
	});
});

function listening(tcpdump: ChildProcess): Promise<void> {
	return new Promise((resolve) => {
		tcpdump.stderr?.on("data", (text) => {
			if (String(text).includes("listening on")) resolve();
		});
	});
}

function textOf(child: ChildProcess): Promise<string> {
	let text = "";
	child.stdout?.on("data", (more) => {
		text += more;
	});
	return new Promise((resolve) => {
		const timer = setTimeout(() => child.kill(), 3000);
		child.on("close", () => {
			clearTimeout(timer);
			resolve(text);
		});
	});
}

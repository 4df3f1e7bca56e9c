// What the real kernel has after each call, as `ip` of the host's namespace sees it.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { cannotRun } from "../../node/namespace-rig.testing.ts";
import type { NetworkEvent } from "../host-network.ts";
import { openLinuxHostNetwork } from "./linux-host-network.ts";
import { startTwoHosts, type TwoHosts } from "./two-hosts.testing.ts";

const vip = { address: "10.77.0.100", prefixLength: 24 };
const changed = { ok: true, changed: true };
const unchanged = { ok: true, changed: false };

describe("the network of a Linux host", { skip: cannotRun }, () => {
	let hosts: TwoHosts;
	before(() => {
		hosts = startTwoHosts();
	});
	after(() => hosts?.close());
	afterEach(() => {
		hosts.networkA.cleanUp();
	});
	const ip = (...words: readonly string[]) => hosts.a.exec("ip", ...words);

	it("adds an address once, finds it by its mark, and removes it once", () => {
		const { networkA } = hosts;
		assert.deepEqual(networkA.addAddress("eth0", vip), changed);
		assert.deepEqual(networkA.addAddress("eth0", vip), unchanged);
		assert.match(ip("-4", "address", "show", "dev", "eth0"), /inet 10\.77\.0\.100\/24 /);
		assert.deepEqual(
			networkA.ownedAddresses().map((one) => [one.interface, one.address, one.prefixLength]),
			[["eth0", "10.77.0.100", 24]],
		);
		assert.deepEqual(networkA.removeAddress("eth0", vip), changed);
		assert.deepEqual(networkA.removeAddress("eth0", vip), unchanged);
		assert.deepEqual(networkA.ownedAddresses(), []);
	});

	it("gives an address its label, scope, broadcast and other end", () => {
		const { networkA } = hosts;
		const full = { ...vip, prefixLength: 32, label: "eth0:vip", scope: "link", broadcast: "10.77.0.255" } as const;
		assert.deepEqual(networkA.addAddress("eth0", full), changed);
		assert.match(
			ip("-4", "address", "show", "dev", "eth0"),
			/inet 10\.77\.0\.100\/32 brd 10\.77\.0\.255 scope link eth0:vip/,
		);
		const toPeer = { address: "10.99.0.1", prefixLength: 32, peer: "10.99.0.2/32" };
		assert.deepEqual(networkA.addAddress("eth0", toPeer), changed);
		assert.match(ip("-4", "address", "show", "dev", "eth0"), /inet 10\.99\.0\.1 peer 10\.99\.0\.2\/32/);
		assert.deepEqual(networkA.removeAddress("eth0", full), changed);
		assert.deepEqual(networkA.removeAddress("eth0", toPeer), changed);
	});

	it("makes no route of a range when told so", () => {
		const far = { address: "10.88.0.1", prefixLength: 24, noPrefixRoute: true };
		assert.deepEqual(hosts.networkA.addAddress("eth0", far), changed);
		assert.doesNotMatch(ip("route"), /10\.88\.0\.0/);
	});

	it("can use an IPv6 address at once, and a lone one is no source of own connections", () => {
		const { networkA } = hosts;
		const address = { address: "fd00:77::100", prefixLength: 128 };
		assert.deepEqual(networkA.addAddress("eth0", address), changed);
		const shown = ip("-6", "address", "show", "dev", "eth0", "to", "fd00:77::100");
		assert.match(shown, /deprecated/);
		assert.doesNotMatch(shown, /tentative/);
		const wide = { address: "fd00:78::100", prefixLength: 64 };
		assert.deepEqual(networkA.addAddress("eth0", wide), changed);
		assert.doesNotMatch(ip("-6", "address", "show", "dev", "eth0", "to", "fd00:78::100"), /deprecated|tentative/);
		assert.equal(networkA.ownedAddresses().length, 2);
	});

	it("takes an address that somebody else added as it is, and does not own it", () => {
		ip("address", "add", "10.77.0.110/24", "dev", "eth0");
		const address = { address: "10.77.0.110", prefixLength: 24 };
		assert.deepEqual(hosts.networkA.addAddress("eth0", address), unchanged);
		assert.deepEqual(hosts.networkA.cleanUp().removed, []);
		assert.match(ip("address"), /10\.77\.0\.110/);
	});

	it("adds and removes routes and rules, once", () => {
		const { networkA } = hosts;
		const route = { destination: "10.90.0.0/16", gateway: "10.77.0.3", metric: 5, source: "10.77.0.2" };
		const blackhole = { destination: "10.91.0.0/16", type: "blackhole", table: 1000 } as const;
		const direct = { destination: "10.92.0.0/16" };
		const ipv6 = { destination: "default", gateway: "fe80::b", family: "ipv6" } as const;
		for (const one of [route, blackhole, direct, ipv6]) {
			assert.deepEqual(networkA.addRoute(one, "eth0"), changed);
			assert.deepEqual(networkA.addRoute(one, "eth0"), unchanged);
		}
		assert.match(ip("-6", "route"), /default via fe80::b dev eth0 proto 86/);
		assert.match(ip("route"), /10\.90\.0\.0\/16 via 10\.77\.0\.3 dev eth0 proto 86 src 10\.77\.0\.2 metric 5/);
		assert.match(ip("route"), /10\.92\.0\.0\/16 dev eth0 proto 86 scope link/);
		assert.match(ip("route", "show", "table", "1000"), /blackhole 10\.91\.0\.0\/16 proto 86/);
		const seen = networkA.routes().find((one) => one.destination === "10.90.0.0/16");
		assert.deepEqual([seen?.gateway, seen?.interface, seen?.metric, seen?.owned], ["10.77.0.3", "eth0", 5, true]);
		for (const one of [route, blackhole, direct, ipv6]) {
			assert.deepEqual(networkA.removeRoute(one, "eth0"), changed);
			assert.deepEqual(networkA.removeRoute(one, "eth0"), unchanged);
		}
		const rule = { family: "ipv4", from: "10.77.0.100", table: 1000, preference: 77 } as const;
		assert.deepEqual([networkA.addRule(rule), networkA.addRule(rule)], [changed, unchanged]);
		assert.match(ip("rule"), /77:\s+from 10\.77\.0\.100 lookup 1000/);
		assert.deepEqual([networkA.removeRule(rule), networkA.removeRule(rule)], [changed, unchanged]);
	});

	it("takes no packets to refused addresses, though it answers for them", async () => {
		const { networkA, networkB, until, runForMs } = hosts;
		const vip6 = { address: "fd00:77::100", prefixLength: 64 };
		networkA.addAddress("eth0", vip);
		networkA.addAddress("eth0", vip6);
		networkB.addAddress("eth0", { address: "fd00:77::b", prefixLength: 64 });
		for (const { address } of [vip, vip6]) {
			let heard = 0;
			const family = address === vip.address ? "ipv4" : "ipv6";
			const server = networkA.openUdpSocket({ family, port: 15_113 }, () => heard++);
			const client = networkB.openUdpSocket({ family, port: 0 }, () => {});
			assert.ok(server.ok && client.ok);
			const send = () => client.value.send(Uint8Array.of(1), address, 15_113);
			assert.equal((await networkA.refusePackets([vip.address, vip6.address])).ok, true);
			send();
			runForMs(20);
			send();
			runForMs(20);
			assert.equal(heard, 0);
			assert.match(hosts.b.exec("ip", "neighbour", "show", address), /lladdr/);
			assert.equal((await networkA.refusePackets([])).ok, true);
			until(() => {
				send();
				return heard > 0;
			}, "a packet that is taken again");
			server.value.close();
			client.value.close();
		}
		assert.doesNotMatch(hosts.a.exec("nft", "list", "tables"), /keepmesh_vip/);
		networkB.cleanUp();
	});

	it("says why not, and what to do", () => {
		const { networkA } = hosts;
		const because = (outcome: { readonly ok: boolean; readonly because?: string; readonly message?: string }) => [
			outcome.because,
			outcome.message,
		];
		assert.deepEqual(because(networkA.addAddress("eth7", vip)), ["noSuchInterface", "eth7: no such interface"]);
		assert.deepEqual(networkA.removeAddress("eth7", vip), unchanged);
		assert.deepEqual(because(networkA.addAddress("eth0", { address: "10.77", prefixLength: 24 })), [
			"invalid",
			"10.77/24 is no address of a range",
		]);
		const unreachable = networkA.addRoute({ destination: "10.93.0.0/16", gateway: "192.0.2.1" });
		assert.equal(!unreachable.ok && unreachable.because, "unreachable");
		assert.throws(() => openLinuxHostNetwork({ netns: "/run/netns/kmk-none" }), /ENOENT/);
	});

	it("asks for privileges where they are missing", () => {
		const script = `
			const { openLinuxHostNetwork } = await import("${import.meta.dirname}/linux-host-network.ts");
			const network = openLinuxHostNetwork();
			const vip = { address: "192.0.2.1", prefixLength: 32 };
			const multicast = { type: "multicast", group: "224.0.0.18" };
			const socket = { interface: "lo", family: "ipv4", transport: multicast };
			console.log(JSON.stringify([network.addAddress("lo", vip), network.openVrrpSocket(socket, () => {})]));`;
		const user = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--", process.execPath];
		const nsenter = [`--net=${hosts.a.netns}`, "--", "setpriv", ...user, "--no-warnings", "--input-type=module"];
		const { stdout } = spawnSync("nsenter", [...nsenter, "-e", script], { encoding: "utf8" });
		const outcomes: readonly { readonly because: string; readonly message: string }[] = JSON.parse(stdout);
		for (const { because, message } of outcomes) {
			assert.equal(because, "notPermitted");
			assert.match(message, /CAP_NET_ADMIN and CAP_NET_RAW/);
		}
	});

	it("tells of links, addresses and routes that others change, within milliseconds", () => {
		const { networkA, a, b, until, runForMs } = hosts;
		const events: NetworkEvent[] = [];
		const cancel = networkA.watch((event) => events.push(event));
		const saw = (isIt: (event: NetworkEvent) => boolean, what: string) => {
			const us = until(() => events.some(isIt), what);
			assert.ok(us < 200_000, `${what}: after ${us} us`);
		};
		a.exec("ip", "address", "add", "10.77.0.120/24", "dev", "eth0");
		saw((event) => event.type === "addressAdded" && event.address.address === "10.77.0.120", "address added");
		a.exec("ip", "address", "del", "10.77.0.120/24", "dev", "eth0");
		saw((event) => event.type === "addressRemoved" && event.address.address === "10.77.0.120", "address removed");
		a.exec("ip", "route", "add", "10.94.0.0/16", "via", "10.77.0.3");
		saw((event) => event.type === "routeAdded" && event.route.destination === "10.94.0.0/16", "route added");
		a.exec("ip", "link", "set", "eth0", "down");
		saw((event) => event.type === "link" && event.link.name === "eth0" && !event.link.up, "link down");
		assert.equal(networkA.link("eth0")?.up, false);
		a.exec("ip", "link", "set", "eth0", "up");
		saw((event) => event.type === "link" && event.link.name === "eth0" && event.link.running, "link up");
		a.exec("ip", "link", "add", "extra7", "link", "eth0", "type", "macvlan");
		saw((event) => event.type === "link" && event.link.name === "extra7", "link made");
		a.exec("ip", "link", "del", "extra7");
		saw((event) => event.type === "linkGone" && event.name === "extra7", "link gone");
		assert.equal(networkA.link("extra7"), undefined);
		cancel();
		b.exec("ip", "link", "set", "eth0", "up");
		runForMs(5);
		a.exec("ip", "address", "replace", "fe80::a/64", "dev", "eth0", "nodad");
	});

	it("removes after a crash what the crashed run added, and nothing else", async () => {
		const { a, networkA } = hosts;
		const script = `
			const { openLinuxHostNetwork } = await import("${import.meta.dirname}/linux-host-network.ts");
			const network = openLinuxHostNetwork({ netns: "${a.netns}" });
			const outcomes = [
				network.addAddress("eth0", ${JSON.stringify(vip)}),
				network.addAddress("eth0", { address: "fd00:77::100", prefixLength: 64 }),
				network.addAddress("eth0", { address: "10.98.0.1", prefixLength: 32, label: "eth0:x", peer: "10.98.0.2/32" }),
				network.addRoute({ destination: "10.95.0.0/16", gateway: "10.77.0.3" }),
				network.addRule({ family: "ipv4", from: "10.95.0.0/16", table: 100, preference: 95 }),
				network.createVirtualMac("eth0", 7, "ipv4", { interface: "vrrp.7", sendFromBase: false }),
			];
			console.log(outcomes.every((outcome) => outcome.ok) ? "done" : JSON.stringify(outcomes));
			setInterval(() => {}, 1000);`;
		const before = [ip("-o", "address"), ip("route"), ip("rule")].map(withoutCounters);
		const arpIgnore = () => a.exec("cat", "/proc/sys/net/ipv4/conf/eth0/arp_ignore").trim();
		const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", script]);
		const [output] = await once(child.stdout, "data");
		assert.equal(String(output).trim(), "done");
		const exited = once(child, "exit");
		child.kill("SIGKILL");
		await exited;
		assert.match(ip("address"), /10\.77\.0\.100/);
		assert.equal(arpIgnore(), "1");
		const { removed, failed } = networkA.cleanUp();
		assert.deepEqual(failed, []);
		assert.deepEqual([...removed].sort(), [
			"address 10.77.0.100/24 on eth0",
			"address 10.98.0.1/32 on eth0",
			"address fd00:77::100/64 on eth0",
			"interface vrrp.7",
			"route 10.95.0.0/16 in table 254",
			"rule",
		]);
		assert.deepEqual([ip("-o", "address"), ip("route"), ip("rule")].map(withoutCounters), before);
		assert.equal(arpIgnore(), "0");
		assert.deepEqual(networkA.cleanUp(), { removed: [], failed: [] });
	});

	it("writes no file of addresses where the kernel keeps who added them", () => {
		const stateFile = join(hosts.directory, "addresses");
		const network = openLinuxHostNetwork({ netns: hosts.a.netns, stateFile });
		network.addAddress("eth0", vip);
		assert.throws(() => readFileSync(stateFile), /ENOENT/);
		assert.equal(network.ownedAddresses().length, 1);
		network.close();
	});
});

const withoutCounters = (text: string): string => text.replace(/\d+sec/g, "");

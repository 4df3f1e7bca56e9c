// Our netlink against the kernel, with ipvsadm as the witness: what we write it reads, what it writes we read.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import type { IpvsTable } from "../../src/kernel/ipvs-table.ts";
import { openIpvsTable } from "../../src/kernel/linux/ipvs/linux-ipvs-table.ts";
import type { Destination, IpvsChange, VirtualServer, VirtualServerKey } from "../../src/l4/ipvs/virtual-server.ts";
import { run, saved } from "./ipvsadm.testing.ts";

const namespace = "table";
const key: VirtualServerKey = { family: "ipv4", type: "address", protocol: "tcp", address: "10.96.0.1", port: 80 };
const destination: Destination = {
	address: "10.0.0.11",
	port: 8080,
	weight: 1,
	forwarding: { method: "NAT" },
	upperThreshold: 0,
	lowerThreshold: 0,
};

describe("the IPVS table", () => {
	let table: IpvsTable;
	const apply = (...changes: readonly IpvsChange[]) => assert.deepEqual(table.apply(changes).failed, []);
	const read = () => {
		const read = table.read();
		assert.ok(read.ok);
		return read.servers;
	};
	const empty = () => apply(...read().map(({ server }) => ({ type: "deleteServer", key: server.key }) as const));

	before(() => {
		run("ip", "netns", "add", namespace);
		run("ip", "-n", namespace, "link", "set", "lo", "up");
		run("ip", "-n", namespace, "link", "add", "dummy0", "type", "dummy");
		run("ip", "-n", namespace, "link", "set", "dummy0", "up");
		run("ip", "-n", namespace, "address", "add", "10.0.0.1/24", "dev", "dummy0");
		run("ip", "-n", namespace, "address", "add", "fd00::1/64", "dev", "dummy0", "nodad");
		const opened = openIpvsTable({ netns: `/run/netns/${namespace}` });
		assert.ok(opened.ok, opened.ok ? "" : opened.message);
		table = opened.value;
	});
	after(() => {
		table.close();
		run("ip", "netns", "delete", namespace);
	});

	afterEach(empty);

	for (const scheduler of ["rr", "wrr", "lc", "wlc", "sh", "sed", "nq", "dh", "mh", "fo", "ovf", "lblc", "lblcr"])
		it(`adds a virtual server with ${scheduler}, whose module the kernel loads`, () => {
			apply({ type: "addServer", server: { key, scheduler } });
			assert.deepEqual(saved(namespace), [`-A -t 10.96.0.1:80 -s ${scheduler}`]);
			assert.deepEqual(
				read().map(({ server }) => server),
				[{ key, scheduler }],
			);
		});

	it("says which scheduler the kernel lacks", () => {
		const { failed } = table.apply([{ type: "addServer", server: { key, scheduler: "twos" } }]);
		assert.equal(failed[0]?.failure.because, "unsupported");
		assert.match(failed[0]?.failure.message ?? "", /tcp 10\.96\.0\.1:80: this kernel has no scheduler twos/);
	});

	it("writes every kind of virtual server as ipvsadm would", () => {
		const servers: readonly VirtualServer[] = [
			{ key, scheduler: "rr", persistence: { timeoutSec: 10_800 } },
			{ key: { ...key, port: 81 }, scheduler: "rr", persistence: { timeoutSec: 60, prefixLength: 24 } },
			{ key: { ...key, protocol: "udp", port: 53 }, scheduler: "rr", onePacket: true },
			{ key: { ...key, protocol: "sctp", port: 9 }, scheduler: "wlc" },
			{ key: { ...key, family: "ipv6", address: "fd00:96::1" }, scheduler: "mh", schedulerFlags: [1, 2] },
			{
				key: { ...key, family: "ipv6", address: "fd00:96::2" },
				scheduler: "sh",
				persistence: { timeoutSec: 9, prefixLength: 64 },
			},
			{ key: { family: "ipv4", type: "mark", mark: 0x10000 }, scheduler: "sh", schedulerFlags: [2] },
			{ key: { family: "ipv6", type: "mark", mark: 7 }, scheduler: "rr" },
			{ key: { ...key, port: 0 }, scheduler: "rr", persistence: { timeoutSec: 300 } },
		];
		apply(...servers.map((server) => ({ type: "addServer", server }) as const));
		assert.deepEqual(
			saved(namespace),
			[
				"-A -f 65536 -s sh -b sh-port",
				"-A -f 7 -6 -s rr",
				"-A -t 10.96.0.1:0 -s rr -p 300",
				"-A -t 10.96.0.1:80 -s rr -p 10800",
				"-A -t 10.96.0.1:81 -s rr -p 60 -M 255.255.255.0",
				"-A -t [fd00:96::1]:80 -s mh -b mh-fallback,mh-port",
				"-A -t [fd00:96::2]:80 -s sh -p 9 -M 64",
				"-A -u 10.96.0.1:53 -s rr -o",
				"-A --sctp-service 10.96.0.1:9 -s wlc",
			].sort(),
		);
		const byText = (one: VirtualServer, other: VirtualServer) => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1);
		assert.deepEqual(
			read()
				.map(({ server }) => server)
				.sort(byText),
			[...servers].sort(byText),
		);
	});

	it("writes every kind of destination as ipvsadm would, changes it and removes it", () => {
		const destinations: readonly Destination[] = [
			destination,
			{ ...destination, address: "10.0.0.12", weight: 0 },
			{
				...destination,
				address: "10.0.0.13",
				port: 80,
				forwarding: { method: "DR" },
				upperThreshold: 100,
				lowerThreshold: 50,
			},
			{
				...destination,
				address: "10.0.0.14",
				port: 80,
				forwarding: { method: "TUN", tunnel: "ipip", checksum: "nocsum" },
			},
			{
				...destination,
				address: "10.0.0.15",
				port: 80,
				forwarding: { method: "TUN", tunnel: "gue", port: 6080, checksum: "csum" },
			},
			{
				...destination,
				address: "10.0.0.16",
				port: 80,
				forwarding: { method: "TUN", tunnel: "gre", checksum: "csum" },
			},
		];
		apply(
			{ type: "addServer", server: { key, scheduler: "wrr" } },
			...destinations.map((destination) => ({ type: "addDestination", key, destination }) as const),
		);
		assert.deepEqual(
			saved(namespace).filter((line) => line.startsWith("-a")),
			[
				"-a -t 10.96.0.1:80 -r 10.0.0.11:8080 -m -w 1",
				"-a -t 10.96.0.1:80 -r 10.0.0.12:8080 -m -w 0",
				"-a -t 10.96.0.1:80 -r 10.0.0.13:80 -g -w 1",
				"-a -t 10.96.0.1:80 -r 10.0.0.14:80 -i -w 1 --tun-type ipip",
				"-a -t 10.96.0.1:80 -r 10.0.0.15:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-csum",
				"-a -t 10.96.0.1:80 -r 10.0.0.16:80 -i -w 1 --tun-type gre --tun-csum",
			],
		);
		const thresholds = run("ip", "netns", "exec", namespace, "ipvsadm", "-Ln", "--thresholds");
		assert.match(thresholds, /10\.0\.0\.13:80 +100 +50 /);
		const byAddress = (one: Destination, other: Destination) => (one.address < other.address ? -1 : 1);
		assert.deepEqual(
			read()[0]
				?.destinations.map(({ destination }) => destination)
				.sort(byAddress),
			destinations,
		);
		apply(
			{ type: "editDestination", key, destination: { ...destination, weight: 9 } },
			...destinations.slice(1).map(({ address, port }) => ({ type: "deleteDestination", key, address, port }) as const),
		);
		assert.deepEqual(
			saved(namespace).filter((line) => line.startsWith("-a")),
			["-a -t 10.96.0.1:80 -r 10.0.0.11:8080 -m -w 9"],
		);
		// What is gone already is no failure.
		apply({ type: "deleteDestination", key, address: "10.0.0.16", port: 80 });
		apply({ type: "deleteServer", key });
	});

	it("reads what ipvsadm wrote", () => {
		run(
			"ip",
			"netns",
			"exec",
			namespace,
			"ipvsadm",
			"-A",
			"-t",
			"10.96.0.9:443",
			"-s",
			"mh",
			"-p",
			"77",
			"-b",
			"flag-2",
		);
		run(
			"ip",
			"netns",
			"exec",
			namespace,
			"ipvsadm",
			"-a",
			"-t",
			"10.96.0.9:443",
			"-r",
			"10.0.0.20:443",
			"-i",
			"-w",
			"3",
		);
		const [found] = read();
		assert.deepEqual(found?.server, {
			key: { ...key, address: "10.96.0.9", port: 443 },
			scheduler: "mh",
			persistence: { timeoutSec: 77 },
			schedulerFlags: [2],
		});
		assert.deepEqual(found?.destinations[0]?.destination, {
			...destination,
			address: "10.0.0.20",
			port: 443,
			weight: 3,
			forwarding: { method: "TUN", tunnel: "ipip", checksum: "nocsum" },
		});
	});

	it("sets the time-outs, and leaves alone those that are 0", () => {
		assert.deepEqual(table.timeouts(), { ok: true, value: { tcpSec: 900, tcpFinSec: 120, udpSec: 300 } });
		assert.ok(table.setTimeouts({ tcpSec: 600, tcpFinSec: 0, udpSec: 30 }).ok);
		assert.deepEqual(table.timeouts(), { ok: true, value: { tcpSec: 600, tcpFinSec: 120, udpSec: 30 } });
		const listed = run("ip", "netns", "exec", namespace, "ipvsadm", "-L", "--timeout");
		assert.match(listed, /600 120 30/);
	});

	it("starts and stops the daemons that share connections", () => {
		const master = { role: "master", interface: "dummy0", syncId: 7, group: "224.0.0.99", port: 8849, ttl: 3 } as const;
		assert.deepEqual(table.startSyncDaemon(master), { ok: true, changed: true });
		assert.deepEqual(table.startSyncDaemon(master), { ok: true, changed: false });
		assert.ok(table.startSyncDaemon({ role: "backup", interface: "dummy0", syncId: 0 }).ok);
		const listed = run("ip", "netns", "exec", namespace, "ipvsadm", "-L", "--daemon");
		assert.match(
			listed,
			/master sync daemon \(mcast=dummy0, syncid=7, maxlen=\d+, group=224\.0\.0\.99, port=8849, ttl=3\)/,
		);
		assert.match(listed, /backup sync daemon \(mcast=dummy0, syncid=0/);
		const daemons = table.syncDaemons();
		assert.ok(daemons.ok);
		assert.deepEqual(daemons.value[0], master);
		assert.deepEqual(daemons.value[1]?.role, "backup");
		assert.deepEqual(table.stopSyncDaemon("master"), { ok: true, changed: true });
		assert.deepEqual(table.stopSyncDaemon("backup"), { ok: true, changed: true });
		assert.deepEqual(table.stopSyncDaemon("master"), { ok: true, changed: false });
		assert.deepEqual(table.syncDaemons(), { ok: true, value: [] });
	});

	it("puts a thousand virtual servers with two destinations each in place", () => {
		const changes: IpvsChange[] = [];
		for (let index = 0; index < 1000; index++) {
			const one = { ...key, address: `10.97.${index >> 8}.${index & 255}` };
			changes.push({ type: "addServer", server: { key: one, scheduler: "rr" } });
			for (const address of ["10.0.0.11", "10.0.0.12"])
				changes.push({ type: "addDestination", key: one, destination: { ...destination, address } });
		}
		const { failed, tookMs } = table.apply(changes);
		assert.deepEqual(failed, []);
		const servers = read();
		assert.equal(servers.length, 1000);
		assert.ok(servers.every(({ destinations }) => destinations.length === 2));
		console.log(`3000 changes took ${tookMs.toFixed(0)} ms in the guest`);
	});
});

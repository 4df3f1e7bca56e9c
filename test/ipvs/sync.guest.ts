// Two nodes that share their connections by the kernel's sync daemons: the second knows a connection that only the first has seen.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Host } from "./host.testing.ts";
import { run } from "./ipvsadm.testing.ts";
import { addresses, BalancingNode, batch, network, nodeFacts } from "./network.testing.ts";

describe("sync daemons", () => {
	let node: BalancingNode;
	let far: Host;
	let second: BalancingNode;
	let secondHost: Host;
	before(async () => {
		({ node, far } = await network());
		run("ip", "netns", "add", "second");
		batch("switch", "link add p-second type veth peer name eth0 netns second", "link set p-second master br0 up");
		batch("second", "link set lo up", "link set eth0 up", "address add 10.0.0.2/24 dev eth0");
		secondHost = new Host("second");
		second = new BalancingNode("second", { ...nodeFacts, families: ["ipv4"], nodePortAddresses: ["10.0.0.2"] });
	});
	after(async () => {
		node.clear();
		node.ipvs.stopSyncDaemon("master");
		second.ipvs.stopSyncDaemon("backup");
		second.close();
		await secondHost.close();
	});

	it("bring a connection of the first node to the second", async () => {
		assert.ok(second.ipvs.startSyncDaemon({ role: "backup", interface: "eth0", syncId: 5 }).ok);
		assert.ok(node.ipvs.startSyncDaemon({ role: "master", interface: "eth0", syncId: 5 }).ok);
		run("ip", "netns", "exec", "node", "sysctl", "-w", "net.ipv4.vs.sync_threshold=1 2");
		for (const one of [node, second])
			one.serve({
				owner: "default/web",
				front: { family: "ipv4", type: "clusterIP", address: "10.96.0.4" },
				protocol: "tcp",
				port: 80,
				scheduler: "rr",
				outside: {
					type: "balance",
					backends: [{ address: addresses.s1, port: 8080, weight: 1, local: false, forwarding: { method: "NAT" } }],
					masquerade: "never",
				},
			});
		assert.equal(await far.call("open", { id: "shared", address: "10.96.0.4", port: 80 }), "s1 from 10.9.0.9");
		const client = "0A090009";
		const end = performance.now() + 15_000;
		for (;;) {
			await far.call("say", { id: "shared" });
			const known = await secondHost.call("read", { path: "/proc/thread-self/net/ip_vs_conn_sync" });
			const line = known.split("\n").find((line) => line.includes(client));
			if (line !== undefined) {
				assert.match(line, /^TCP +0A090009 [0-9A-F]{4} 0A600004 0050 0A00000B 1F90 ESTABLISHED +SYNC/);
				break;
			}
			assert.ok(performance.now() < end, `the second node knows only\n${known}`);
			await sleep(300);
		}
		await far.call("abort", { id: "shared" });
	});
});

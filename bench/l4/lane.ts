// One way of packets: a client, a forwarding node and servers, each a namespace, on cables of their own. The servers' namespace
// answers for every address of 10.128.0.0/10, so that hundreds of thousands of endpoints are real.

import { basename } from "node:path";
import type { NodeFacts } from "../../src/l4/node-facts.ts";
import type { Host, Rig } from "../../src/node/namespace-rig.testing.ts";
import { attachPod } from "../../test/l4/l4-world.ts";

export interface Lane {
	readonly client: string;
	readonly node: string;
	readonly host: Host;
	readonly servers: string;
	/** Of `nft -f -`, into the node. */
	nft(text: string): void;
	/** `ip` in the node. */
	ip(...words: readonly string[]): void;
	close(): void;
}

export const clientAddress = "10.244.1.20";

/** Sources of the client are known as pods: nothing is masqueraded. */
export const benchNode: NodeFacts = {
	name: "node-1",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: ["10.77.0.10"],
	localTraffic: { type: "ranges", ranges: ["10.244.0.0/16"] },
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};

let lanes = 0;

export function createLane(rig: Rig, name: string): Lane {
	const node = rig.addHost(name, `10.77.0.${10 + lanes++}`);
	node.exec("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1");
	const client = attachPod(rig, node, "client", [clientAddress]);
	const servers = attachPod(rig, node, "servers", ["10.244.1.30"]);
	node.exec("ip", "route", "add", "10.128.0.0/10", "via", "10.244.1.30", "dev", "to-servers", "onlink");
	node.exec("nsenter", `--net=${servers}`, "ip", "route", "add", "local", "10.128.0.0/10", "dev", "lo");
	return {
		client,
		servers,
		node: node.netns,
		host: node,
		nft: (text) => void node.exec("sh", "-c", `nft -f - <<'END'\n${text}\nEND`),
		ip: (...words) => void node.exec("ip", ...words),
		close: () => {
			for (const pod of [client, servers]) rig.remove(basename(pod));
			rig.removeHost(node);
		},
	};
}

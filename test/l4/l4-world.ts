// The machines around one balancing node, each a network namespace: a client on the LAN, the node, two pods on it, and another
// node whose pods are addresses of one namespace. Nothing here balances: tests put rules into the node's namespace.
//
//   client 10.77.0.100 ---+
//   other  10.77.0.11  ---+--- LAN --- 10.77.0.10 node --- pod-a 10.244.1.10, .11, .12 (servers)
//     10.244.2.10, .11, .12                            \--- pod-b 10.244.1.20 (serves and asks)

import { execFileSync } from "node:child_process";
import type { NodeFacts } from "../../src/l4/node-facts.ts";
import { createRig, type Host, type Rig } from "../../src/node/namespace-rig.testing.ts";
import { Peer } from "./peer.ts";

/** Where a connection comes from. `pod` is pod-b. */
export type Place = "outside" | "node" | "pod";

export const servedPorts = [8080, 9090];

export const addresses = {
	client: ["10.77.0.100", "fd77::100"],
	/** A second one of the client, for rules about sources. */
	clientAlias: ["10.77.0.101", "fd77::101"],
	node: ["10.77.0.10", "fd77::10"],
	/** The node's end of the cables to its pods. */
	nodeAtPods: ["10.244.1.1", "fd44:1::1"],
	other: ["10.77.0.11", "fd77::11"],
	podA: ["10.244.1.10", "10.244.1.11", "10.244.1.12", "fd44:1::10", "fd44:1::11", "fd44:1::12"],
	podB: ["10.244.1.20", "fd44:1::20"],
	otherPods: ["10.244.2.10", "10.244.2.11", "10.244.2.12", "fd44:2::10", "fd44:2::11", "fd44:2::12"],
} as const;

/** What the node's plans are made for. */
export const nodeFacts: NodeFacts = {
	name: "node-1",
	zone: "zone-a",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: addresses.node,
	localTraffic: { type: "ranges", ranges: ["10.244.0.0/16", "fd44::/16"] },
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};

export interface L4World {
	readonly rig: Rig;
	readonly client: Host;
	readonly node: Host;
	readonly peers: Readonly<Record<Place, Peer>>;
	close(): void;
}

export async function createL4World(): Promise<L4World> {
	const rig = createRig();
	const node = rig.addHost("node", addresses.node[0]);
	const other = rig.addHost("other", addresses.other[0]);
	const client = rig.addHost("client", addresses.client[0]);
	const podA = attachPod(rig, node, "pod-a", addresses.podA);
	const podB = attachPod(rig, node, "pod-b", addresses.podB);
	// Refusals are counted one by one here.
	const settings = ["net.ipv4.icmp_ratelimit=0", "net.ipv4.icmp_msgs_per_sec=100000", "net.ipv6.icmp.ratelimit=0"];
	node.exec("sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", ...settings);
	giveAddresses(node, "eth0", [addresses.node[1]]);
	giveAddresses(other, "eth0", [addresses.other[1]]);
	giveAddresses(other, "lo", addresses.otherPods);
	// Of IPv6 addresses that fit alike, Linux comes from the newest.
	giveAddresses(client, "eth0", [...addresses.clientAlias, addresses.client[1]]);
	// What nobody balances yet must come to the node again once somebody does.
	client.exec("sysctl", "-qw", "net.ipv4.conf.all.accept_redirects=0", "net.ipv4.conf.eth0.accept_redirects=0");
	client.exec("sysctl", "-qw", "net.ipv6.conf.eth0.accept_redirects=0");
	// There, so that what nobody balances goes to silence and not to an unreachable neighbour.
	batch(rig.hub, ["address add fd77::1/64 dev br0 nodad"]);
	route(node, ["10.244.2.0/24 via 10.77.0.11", "fd44:2::/32 via fd77::11", "::/0 via fd77::1 dev eth0"]);
	route(other, ["10.244.1.0/24 via 10.77.0.10", "fd44:1::/32 via fd77::10"]);
	// Addresses of services, and of pods for whoever may ask them directly.
	route(client, ["10.96.0.0/14 via 10.77.0.10", "fd96::/16 via fd77::10", "fd98::/16 via fd77::10"]);
	const peers = { outside: new Peer(client.netns), node: new Peer(node.netns), pod: new Peer(podB) };
	const servers = [new Peer(podA), new Peer(other.netns)];
	await Promise.all([
		peers.pod.serve(addresses.podB, servedPorts),
		servers[0]?.serve(addresses.podA, servedPorts),
		servers[1]?.serve(addresses.otherPods, servedPorts),
	]);
	return {
		rig,
		client,
		node,
		peers,
		close: () => {
			for (const peer of [...Object.values(peers), ...servers]) peer.close();
			rig.close();
		},
	};
}

/** A namespace with a cable to the node; its addresses are routed there one by one. Returns the namespace's path. */
export function attachPod(rig: Rig, node: Host, name: string, own: readonly string[]): string {
	const namespace = `${node.name}-${name}`;
	const atNode = `to-${name}`;
	execFileSync("ip", ["netns", "add", namespace]);
	rig.keep(namespace);
	execFileSync("ip", [
		"-n",
		node.name,
		"link",
		"add",
		atNode,
		"type",
		"veth",
		"peer",
		"name",
		"eth0",
		"netns",
		namespace,
	]);
	const inPod = [
		"link set lo up",
		"link set eth0 up",
		...own.map(
			(address) => `address add ${address}/${isV6(address) ? 128 : 32} dev eth0${isV6(address) ? " nodad" : ""}`,
		),
		...addresses.nodeAtPods.flatMap((gateway) => [
			`route add ${gateway} dev eth0`,
			`route add ${isV6(gateway) ? "::/0" : "0.0.0.0/0"} via ${gateway} dev eth0 onlink`,
		]),
	];
	batch(namespace, inPod);
	batch(node.name, [
		`link set ${atNode} up`,
		...addresses.nodeAtPods.map(
			(one) => `address add ${one}/${isV6(one) ? 128 : 32} dev ${atNode}${isV6(one) ? " nodad" : ""}`,
		),
		...own.map((address) => `route add ${address} dev ${atNode}`),
	]);
	return `/run/netns/${namespace}`;
}

function giveAddresses(host: Host, device: string, list: readonly string[]): void {
	const length = (address: string): number => (device === "lo" ? (isV6(address) ? 128 : 32) : isV6(address) ? 64 : 24);
	batch(
		host.name,
		list.map((one) => `address add ${one}/${length(one)} dev ${device}${isV6(one) ? " nodad" : ""}`),
	);
}

function route(host: Host, routes: readonly string[]): void {
	batch(
		host.name,
		routes.map((one) => `route add ${one}`),
	);
}

function batch(namespace: string, lines: readonly string[]): void {
	execFileSync("ip", ["-n", namespace, "-batch", "-"], {
		input: `${lines.join("\n")}\n`,
		stdio: ["pipe", "ignore", "inherit"],
	});
}

function isV6(address: string): boolean {
	return address.includes(":");
}

// Random Services with their slices and nodes, and the connections worth asking about them. Small pools of addresses and places,
// so that what is rare in life is frequent here.

import { anObject } from "../../model/model.testing.ts";
import type { ConfigObject } from "../../resources/config-object.ts";
import type {
	KubernetesServicePort,
	LoadBalancerIngress,
	ServiceSpec,
	SliceEndpoint,
} from "../../resources/kinds/core.ts";
import type { Dice } from "../../runtime/seeded-random.testing.ts";
import type { NodeFacts } from "../node-facts.ts";
import type { Connection } from "./trace-connection.ts";
import type { World } from "./who-may-answer.testing.ts";

const ports: readonly KubernetesServicePort[] = [
	{ name: "web", port: 80, targetPort: "http", nodePort: 30_080 },
	{ name: "dns", port: 53, protocol: "UDP", nodePort: 30_053 },
	{ name: "dns-tcp", port: 53 },
	{ name: "sig", port: 38412, protocol: "SCTP" },
];
const clusterAddresses = ["10.96.0.10", "FD00:96::10"];
const externalAddresses = ["198.51.100.77", "2001:db8:e::77"];
const balancedAddresses = ["203.0.113.7", "2001:db8:b::7", "198.51.100.77"];
const ranges = [
	"192.0.0.0/16",
	" 198.51.100.0/24",
	"10.244.0.0/16 ",
	"0.0.0.0/0",
	"2001:db8::/32",
	"fd00:244::/32",
	"::/0",
];

export function randomService(dice: Dice): ConfigObject<"Service"> {
	const type = dice.one(["ClusterIP", "NodePort", "LoadBalancer", "LoadBalancer"] as const);
	const [first = "10.96.0.10", ...rest] = dice.one([
		clusterAddresses,
		clusterAddresses.slice(0, 1),
		clusterAddresses.slice(1),
	]);
	const externalIPs = dice.chance(0.4) ? dice.some(externalAddresses) : [];
	const isExternal = type !== "ClusterIP" || externalIPs.length > 0;
	const spec: ServiceSpec = {
		type,
		clusterIP: first,
		clusterIPs: [first, ...rest],
		externalIPs,
		ports: ports
			.filter((_, index) => index === 0 || dice.chance(0.6))
			.map((port) => (type === "ClusterIP" ? { ...port, nodePort: 0 } : port)),
		...(isExternal ? { externalTrafficPolicy: dice.one(["Cluster", "Local"]) } : {}),
		...(dice.chance(0.5) ? { internalTrafficPolicy: dice.one(["Cluster", "Local"]) } : {}),
		...(type === "LoadBalancer" ? { loadBalancerSourceRanges: dice.chance(0.5) ? dice.some(ranges) : [] } : {}),
		status: {
			loadBalancer: {
				ingress: type === "LoadBalancer" ? dice.some(balancedAddresses).map((ip) => ingress(dice, ip)) : [],
			},
		},
	};
	return anObject("Service", "web", spec);
}

function ingress(dice: Dice, ip: string): LoadBalancerIngress {
	return dice.chance(0.5) ? { ip } : { ip, ipMode: dice.one(["VIP", "VIP", "Proxy"]) };
}

export function randomSlice(dice: Dice, name: string): ConfigObject<"EndpointSlice"> {
	const isV6 = dice.chance(0.35);
	// A slice has one number for each named port; another slice may have another.
	const slicePorts = [
		{ name: "web", port: dice.one([8080, 8080, 8081]) },
		{ name: "dns", port: 5353, protocol: "UDP" },
		{ name: "dns-tcp", port: dice.one([5353, 0]) },
		{ name: "sig", port: 38412, protocol: "SCTP" },
		{ name: "web2", port: 1 },
	];
	const hasHints = dice.chance(0.5);
	return anObject(
		"EndpointSlice",
		name,
		{
			addressType: dice.chance(0.05) ? "FQDN" : isV6 ? "IPv6" : "IPv4",
			endpoints: Array.from({ length: dice.below(4) + 1 }, () => randomEndpoint(dice, isV6, hasHints)),
			ports: slicePorts.filter(() => dice.chance(0.8)),
		},
		{
			labels: {
				"kubernetes.io/service-name": dice.chance(0.95) ? "web" : "other",
				...(dice.chance(0.05) ? { "service.kubernetes.io/headless": "" } : {}),
			},
		},
	);
}

function randomEndpoint(dice: Dice, isV6: boolean, hasHints: boolean): SliceEndpoint {
	const host = dice.below(4) + 5;
	const address = isV6 ? `${dice.one(["fd00:244::", "FD00:244::"])}${host}` : `10.244.1.${host}`;
	const conditions = {
		...(dice.chance(0.6) ? { ready: dice.chance(0.4) } : {}),
		...(dice.chance(0.6) ? { serving: dice.chance(0.6) } : {}),
		...(dice.chance(0.5) ? { terminating: dice.chance(0.6) } : {}),
	};
	const named = (names: readonly string[]): readonly { readonly name: string }[] => names.map((name) => ({ name }));
	const hints = {
		...(dice.chance(0.9) ? { forZones: named([dice.one(["z1", "z2", "z3"])]) } : {}),
		...(dice.chance(0.5) ? { forNodes: named(dice.some(["a", "b"])) } : {}),
	};
	return {
		addresses: [address, "10.244.9.9"].slice(0, isV6 ? 1 : 2),
		...(dice.chance(0.8) ? { conditions } : {}),
		...(dice.chance(0.9) ? { nodeName: dice.one(["a", "a", "b", "c"]) } : {}),
		...(hasHints && dice.chance(0.95) ? { hints } : {}),
	};
}

export function randomNode(dice: Dice): NodeFacts {
	const localTraffic = dice.one([
		undefined,
		{ type: "ranges", ranges: ["10.244.0.0/16", "fd00:244::/32"] },
		{ type: "ranges", ranges: ["10.244.0.0/16"] },
		{ type: "interface", name: "cni0", isPrefix: false },
	] as const);
	return {
		name: dice.one(["a", "a", "a", "c", "elsewhere"]),
		...(dice.chance(0.8) ? { zone: dice.one(["z1", "z2", "z9"]) } : {}),
		families: ["ipv4", "ipv6"],
		...(dice.chance(0.5) ? { nodeAddresses: ["192.0.2.1", "2001:db8::1"] } : {}),
		nodePortAddresses: ["192.0.2.1", "2001:db8::1"],
		...(localTraffic === undefined ? {} : { localTraffic }),
		masqueradeBit: 14,
		masqueradeAll: dice.chance(0.2),
		scheduler: "random",
	};
}

const sources: readonly Pick<Connection, "source" | "from">[] = [
	{ source: "192.0.2.1", from: "node" },
	{ source: "203.0.113.7", from: "node" },
	{ source: "10.244.1.5", from: "pod" },
	{ source: "10.244.1.6", from: "pod" },
	{ source: "10.244.2.5", from: "outside" },
	{ source: "198.51.100.1", from: "outside" },
	{ source: "192.0.9.9", from: "outside" },
	{ source: "2001:db8::1", from: "node" },
	{ source: "2001:db8:b::7", from: "node" },
	{ source: "fd00:244::6", from: "pod" },
	{ source: "2001:db9::9", from: "outside" },
];

/** Everything that could make a difference. */
export function* connectionsTo({ service }: World): Iterable<Connection> {
	const addresses = [
		...clusterAddresses,
		...externalAddresses,
		...balancedAddresses,
		"192.0.2.1",
		"2001:db8::1",
		"192.0.2.2",
	];
	const wanted = [...(service.spec.ports ?? []), { port: 81 }].flatMap(
		({ port, nodePort, protocol = "TCP" }: KubernetesServicePort) =>
			[port, nodePort ?? 0]
				.filter((number) => number > 0)
				.map((number) => ({ port: number, protocol: protocolOf(protocol) })),
	);
	for (const destination of new Set(addresses.map((address) => address.toLowerCase())))
		for (const target of wanted)
			for (const one of sources)
				if (one.source.includes(":") === destination.includes(":")) yield { ...one, destination, ...target };
}

function protocolOf(protocol: "TCP" | "UDP" | "SCTP"): Connection["protocol"] {
	return protocol === "TCP" ? "tcp" : protocol === "UDP" ? "udp" : "sctp";
}

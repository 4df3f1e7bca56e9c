// What layer 4 must do, one case for each semantic, written by hand from kube-proxy's documentation and sources (1.36,
// pkg/proxy/topology.go, pkg/proxy/nftables/proxier.go). The order gives addresses and ports: add at the end.

import type { L4Case, Row } from "./l4-case.ts";

const own = "own" as const;
const node = "node" as const;

/** From everywhere to one address of the Service. */
function rows(to: Row["to"], expects: Readonly<Partial<Record<Row["from"], Row["expect"]>>>): readonly Row[] {
	return (["outside", "pod", "node"] as const).flatMap((from) => {
		const expect = expects[from];
		return expect === undefined ? [] : [{ from, to, expect }];
	});
}

const everywhere = (expect: Row["expect"]) => ({ outside: expect, pod: expect, node: expect });
const loadBalancer = { type: "LoadBalancer", allocateLoadBalancerNodePorts: true };
const nodePort = { type: "NodePort" };

export const l4Cases: readonly L4Case[] = [
	{
		name: "a cluster address leads to every ready endpoint; pods keep their source, others do not",
		endpoints: [{ at: "A" }, { at: "X" }],
		rows: rows("cluster", {
			outside: { by: ["A", "X"], source: node },
			pod: { by: ["A", "X"], source: own },
			node: { by: ["A", "X"], source: node },
		}),
	},
	{
		name: "an endpoint that is not ready gets nothing",
		endpoints: [{ at: "A" }, { at: "B", ready: false }, { at: "X", ready: false }],
		rows: rows("cluster", { pod: { by: ["A"], source: own } }),
	},
	{
		name: "each port leads to its own named target",
		targets: [
			{ port: 80, target: 8080 },
			{ port: 81, target: 9090 },
		],
		endpoints: [{ at: "A" }, { at: "X" }],
		rows: [
			{ from: "pod", to: "cluster", expect: { by: ["A", "X"], source: own } },
			{ from: "pod", to: "cluster", port: 81, expect: { by: ["A", "X"], source: own } },
		],
	},
	{
		name: "a port that a cluster address does not have is refused",
		endpoints: [{ at: "A" }],
		rows: (["outside", "pod", "node"] as const).map((from) => ({ from, to: "cluster", port: 99, expect: "refused" })),
	},
	{
		name: "a node port leads to every endpoint from the node's address",
		spec: nodePort,
		endpoints: [{ at: "A" }, { at: "X" }],
		rows: rows("nodePort", everywhere({ by: ["A", "X"], source: node })),
	},
	{
		name: "a node port answers on the node's primary addresses only",
		spec: nodePort,
		endpoints: [{ at: "A" }],
		rows: [
			{ from: "node", to: "loopback", expect: "refused" },
			{ from: "pod", to: "nodeAtPods", expect: "refused" },
		],
	},
	{
		name: "externalTrafficPolicy Local keeps a node port on the node and shows the client's address",
		spec: { ...nodePort, externalTrafficPolicy: "Local" },
		endpoints: [{ at: "A" }, { at: "X" }],
		rows: rows("nodePort", {
			outside: { by: ["A"], source: own },
			pod: { by: ["A", "X"], source: own },
			node: { by: ["A", "X"], source: node },
		}),
	},
	{
		name: "externalTrafficPolicy Local without an endpoint here drops what comes from outside",
		spec: { ...nodePort, externalTrafficPolicy: "Local" },
		endpoints: [{ at: "X" }],
		rows: rows("nodePort", {
			outside: "silent",
			pod: { by: ["X"], source: own },
			node: { by: ["X"], source: node },
		}),
	},
	{
		name: "an external address leads to every endpoint from the node's address",
		hasExternalAddresses: true,
		endpoints: [{ at: "A" }, { at: "X" }],
		rows: rows("external", everywhere({ by: ["A", "X"], source: node })),
	},
	{
		name: "an external address with externalTrafficPolicy Local shows the client's address",
		spec: { externalTrafficPolicy: "Local" },
		hasExternalAddresses: true,
		endpoints: [{ at: "A" }, { at: "X" }],
		rows: rows("external", {
			outside: { by: ["A"], source: own },
			pod: { by: ["A", "X"], source: own },
			node: { by: ["A", "X"], source: node },
		}),
	},
	{
		name: "a load balancer's address leads to every endpoint from the node's address",
		spec: loadBalancer,
		ingress: { ipMode: "VIP" },
		endpoints: [{ at: "A" }, { at: "X" }],
		rows: rows("loadBalancer", everywhere({ by: ["A", "X"], source: node })),
	},
	{
		name: "a load balancer's address with externalTrafficPolicy Local shows the client's address",
		spec: { ...loadBalancer, externalTrafficPolicy: "Local", healthCheckNodePort: 32_012 },
		ingress: { ipMode: "VIP" },
		endpoints: [{ at: "A" }, { at: "B" }, { at: "X" }],
		rows: [
			...rows("loadBalancer", {
				outside: { by: ["A", "B"], source: own },
				pod: { by: ["A", "B", "X"], source: own },
				node: { by: ["A", "B", "X"], source: node },
			}),
			...rows("cluster", { pod: { by: ["A", "B", "X"], source: own } }),
		],
	},
	{
		name: "a load balancer's address with externalTrafficPolicy Local and no endpoint here drops",
		spec: { ...loadBalancer, externalTrafficPolicy: "Local", healthCheckNodePort: 32_013 },
		ingress: { ipMode: "VIP" },
		endpoints: [{ at: "X" }],
		rows: [
			...rows("loadBalancer", { outside: "silent", pod: { by: ["X"], source: own } }),
			...rows("cluster", { outside: { by: ["X"], source: node } }),
		],
	},
	{
		name: "a load balancer that proxies keeps its address for itself",
		spec: loadBalancer,
		ingress: { ipMode: "Proxy" },
		endpoints: [{ at: "A" }],
		rows: rows("loadBalancer", { outside: "silent", pod: "silent" }),
	},
	{
		name: "source ranges are for the load balancer's address; the cluster's is open",
		spec: { ...loadBalancer, loadBalancerSourceRanges: ["10.77.0.100/32", "fd77::100/128"] },
		ingress: { ipMode: "VIP" },
		endpoints: [{ at: "A" }, { at: "X" }],
		rows: [
			{ from: "outside", to: "loadBalancer", expect: { by: ["A", "X"], source: node } },
			{ from: "outside", to: "loadBalancer", isAlias: true, expect: "silent" },
			{ from: "pod", to: "loadBalancer", expect: "silent" },
			{ from: "node", to: "loadBalancer", expect: "silent" },
			{ from: "outside", to: "cluster", isAlias: true, expect: { by: ["A", "X"], source: node } },
			{ from: "outside", to: "nodePort", isAlias: true, expect: { by: ["A", "X"], source: node } },
		],
	},
	{
		name: "internalTrafficPolicy Local keeps connections on the node",
		spec: { internalTrafficPolicy: "Local" },
		endpoints: [{ at: "A" }, { at: "X" }],
		rows: rows("cluster", {
			outside: { by: ["A"], source: node },
			pod: { by: ["A"], source: own },
			node: { by: ["A"], source: node },
		}),
	},
	{
		name: "internalTrafficPolicy Local without an endpoint here drops",
		spec: { ...nodePort, internalTrafficPolicy: "Local" },
		endpoints: [{ at: "X" }],
		rows: [...rows("cluster", everywhere("silent")), ...rows("nodePort", { outside: { by: ["X"], source: node } })],
	},
	{
		name: "session affinity keeps each client with one endpoint",
		spec: { sessionAffinity: "ClientIP" },
		endpoints: [{ at: "A" }, { at: "B" }, { at: "X" }],
		rows: rows("cluster", {
			outside: { by: ["A", "B", "X"], source: node, sticks: true },
			pod: { by: ["A", "B", "X"], source: own, sticks: true },
			node: { by: ["A", "B", "X"], source: node, sticks: true },
		}),
	},
	{
		name: "session affinity holds with externalTrafficPolicy Local, too",
		spec: { ...nodePort, sessionAffinity: "ClientIP", externalTrafficPolicy: "Local" },
		endpoints: [{ at: "A" }, { at: "B" }, { at: "X" }],
		rows: rows("nodePort", {
			outside: { by: ["A", "B"], source: own, sticks: true },
			pod: { by: ["A", "B", "X"], source: own, sticks: true },
		}),
	},
	{
		name: "a Service without endpoints refuses at once, whatever the address",
		spec: loadBalancer,
		ingress: { ipMode: "VIP" },
		hasExternalAddresses: true,
		endpoints: [],
		rows: [
			...rows("cluster", everywhere("refused")),
			...rows("nodePort", everywhere("refused")),
			...rows("loadBalancer", everywhere("refused")),
			...rows("external", everywhere("refused")),
		],
	},
	{
		name: "a Service whose endpoints are all not ready refuses as if it had none, Local or not",
		spec: { ...nodePort, externalTrafficPolicy: "Local", internalTrafficPolicy: "Local" },
		endpoints: [
			{ at: "A", ready: false },
			{ at: "X", ready: false },
		],
		rows: [...rows("cluster", everywhere("refused")), ...rows("nodePort", everywhere("refused"))],
	},
	{
		name: "a pod that reaches itself sees the node as its client",
		spec: { ...loadBalancer, externalTrafficPolicy: "Local", healthCheckNodePort: 32_022 },
		ingress: { ipMode: "VIP" },
		hasExternalAddresses: true,
		endpoints: [{ at: "SELF" }],
		rows: [
			...rows("cluster", { pod: { by: ["SELF"], source: node } }),
			...rows("nodePort", { pod: { by: ["SELF"], source: node }, outside: { by: ["SELF"], source: own } }),
			...rows("loadBalancer", { pod: { by: ["SELF"], source: node } }),
			...rows("external", { pod: { by: ["SELF"], source: node } }),
		],
	},
	{
		name: "endpoints that end and still serve answer while nobody is ready",
		spec: nodePort,
		endpoints: [
			{ at: "A", ready: false, serving: true, terminating: true },
			{ at: "X", ready: false, serving: true, terminating: true },
			{ at: "Y", ready: false, serving: false, terminating: true },
			{ at: "B", ready: false, serving: false },
		],
		rows: [
			...rows("cluster", { pod: { by: ["A", "X"], source: own } }),
			...rows("nodePort", { outside: { by: ["A", "X"], source: node } }),
		],
	},
	{
		name: "endpoints that end get nothing new while others are ready",
		spec: nodePort,
		endpoints: [{ at: "A", ready: false, serving: true, terminating: true }, { at: "X" }],
		rows: [
			...rows("cluster", { pod: { by: ["X"], source: own } }),
			...rows("nodePort", { outside: { by: ["X"], source: node } }),
		],
	},
	{
		name: "with externalTrafficPolicy Local an endpoint here that ends answers though others are ready elsewhere",
		spec: { ...nodePort, externalTrafficPolicy: "Local" },
		endpoints: [{ at: "A", ready: false, serving: true, terminating: true }, { at: "X" }],
		rows: rows("nodePort", { outside: { by: ["A"], source: own }, pod: { by: ["X"], source: own } }),
	},
	{
		name: "hints keep connections in the zone when every endpoint has them",
		spec: nodePort,
		endpoints: [
			{ at: "A", hints: { forZones: [{ name: "zone-a" }] } },
			{ at: "X", hints: { forZones: [{ name: "zone-b" }] } },
			{ at: "Y", hints: { forZones: [{ name: "zone-b" }, { name: "zone-a" }] } },
		],
		rows: [
			...rows("cluster", { pod: { by: ["A", "Y"], source: own } }),
			...rows("nodePort", { outside: { by: ["A", "Y"], source: node } }),
		],
	},
	{
		name: "hints count for nothing when one ready endpoint has none",
		endpoints: [
			{ at: "A", hints: { forZones: [{ name: "zone-a" }] } },
			{ at: "X", hints: { forZones: [{ name: "zone-b" }] } },
			{ at: "Y" },
		],
		rows: rows("cluster", { pod: { by: ["A", "X", "Y"], source: own } }),
	},
	{
		name: "hints count for nothing when none is for this zone",
		endpoints: [
			{ at: "A", hints: { forZones: [{ name: "zone-c" }] } },
			{ at: "X", hints: { forZones: [{ name: "zone-b" }] } },
		],
		rows: rows("cluster", { pod: { by: ["A", "X"], source: own } }),
	},
	{
		name: "hints for nodes come before those for zones",
		spec: { trafficDistribution: "PreferSameNode" },
		endpoints: [
			{ at: "A", hints: { forZones: [{ name: "zone-a" }], forNodes: [{ name: "node-1" }] } },
			{ at: "X", hints: { forZones: [{ name: "zone-a" }], forNodes: [{ name: "node-2" }] } },
			{ at: "Y", hints: { forZones: [{ name: "zone-b" }], forNodes: [{ name: "node-2" }] } },
		],
		rows: rows("cluster", { pod: { by: ["A"], source: own } }),
	},
	{
		name: "externalTrafficPolicy Local does not care for hints",
		spec: { ...nodePort, externalTrafficPolicy: "Local" },
		endpoints: [
			{ at: "A", hints: { forZones: [{ name: "zone-b" }] } },
			{ at: "X", hints: { forZones: [{ name: "zone-a" }] } },
		],
		rows: rows("nodePort", { outside: { by: ["A"], source: own }, pod: { by: ["X"], source: own } }),
	},
	{
		name: "conditions of slices count as they are, also with publishNotReadyAddresses: their writer has seen to it",
		spec: { publishNotReadyAddresses: true },
		endpoints: [{ at: "A", ready: false }, { at: "X" }],
		rows: rows("cluster", { pod: { by: ["X"], source: own } }),
	},
	{
		name: "a Service of another proxy is left alone",
		labels: { "service.kubernetes.io/service-proxy-name": "somebody-else" },
		endpoints: [{ at: "A" }],
		rows: rows("cluster", { outside: "silent", pod: "silent" }),
	},
];

// Balancers for the golden texts of layer 4's rules: one case for each thing that they can say.

import type { Answer, Backend, Balancer, Front } from "../../src/l4/balancer.ts";
import type { NodeFacts } from "../../src/l4/node-facts.ts";

export interface PlanCase {
	readonly balancers: readonly Balancer[];
	readonly node?: NodeFacts;
}

export const usualNode: NodeFacts = {
	name: "node-1",
	families: ["ipv4", "ipv6"],
	nodePortAddresses: ["192.0.2.1", "2001:db8::1"],
	localTraffic: { type: "ranges", ranges: ["10.244.0.0/16", "fd44::/56"] },
	masqueradeBit: 14,
	masqueradeAll: false,
	scheduler: "random",
};

const here = backend("10.244.1.5", 8080, { local: true });
const there = backend("10.244.2.5", 8080);
const elsewhere = backend("10.244.3.5", 8080);
const web: Balancer = {
	owner: "shop/web:http",
	front: { type: "clusterIP", family: "ipv4", address: "10.96.0.10" },
	protocol: "tcp",
	port: 80,
	scheduler: "random",
	outside: to([there, elsewhere], "fromOutsideCluster"),
};
const nodePort: Front = { type: "nodePort", family: "ipv4" };
const loadBalancer: Front = { type: "loadBalancerIP", family: "ipv4", address: "203.0.113.10" };
const virtualServer: Balancer = {
	...web,
	owner: "virtual_server 192.0.2.50 443",
	front: { type: "virtualServer", family: "ipv4", address: "192.0.2.50" },
	port: 443,
	outside: to([backend("192.0.2.61", 443, { weight: 1 }), backend("192.0.2.62", 443, { weight: 3 })], "never"),
};

export const planCases: Readonly<Record<string, PlanCase>> = {
	"cluster-address": { balancers: [web] },
	"endpoint-on-this-node": { balancers: [{ ...web, outside: to([here, there], "fromOutsideCluster") }] },
	"no-endpoints": { balancers: [{ ...web, outside: { type: "reject" } }] },
	"internal-local-nobody-here": { balancers: [{ ...web, outside: { type: "drop" } }] },
	"node-port": { balancers: [{ ...web, front: nodePort, port: 30080, outside: to([there, elsewhere], "always") }] },
	"external-address": {
		balancers: [
			{
				...web,
				front: { type: "externalIP", family: "ipv4", address: "198.51.100.7" },
				outside: to([there, elsewhere], "always"),
			},
		],
	},
	"external-local": {
		balancers: [
			{ ...web, front: loadBalancer, outside: to([here], "never"), inside: to([here, there], "always") },
			{ ...web, front: nodePort, port: 30080, outside: to([here], "never"), inside: to([here, there], "always") },
		],
	},
	"external-local-nobody-here": {
		balancers: [{ ...web, front: loadBalancer, outside: { type: "drop" }, inside: to([there, elsewhere], "always") }],
	},
	"source-ranges": {
		balancers: [{ ...web, front: loadBalancer, sourceRanges: ["198.51.100.0/24", "198.51.100.7/32", "10.0.0.0/8"] }],
	},
	"session-affinity": { balancers: [{ ...web, affinity: { timeoutSec: 10800 } }] },
	"session-affinity-two-ways-in": {
		balancers: [
			{ ...web, affinity: { timeoutSec: 600 } },
			{
				...web,
				front: nodePort,
				port: 30080,
				affinity: { timeoutSec: 600 },
				outside: to([there, elsewhere], "always"),
			},
		],
	},
	"two-families": {
		balancers: [
			web,
			{
				...web,
				front: { type: "clusterIP", family: "ipv6", address: "fd96::10" },
				outside: to([backend("fd44::5", 8080, { local: true }), backend("fd44::6", 8080)], "fromOutsideCluster"),
			},
		],
	},
	"udp-and-sctp": {
		balancers: [
			{
				...web,
				owner: "kube-system/dns:dns",
				protocol: "udp",
				port: 53,
				outside: to([backend("10.244.2.9", 5353)], "never"),
			},
			{
				...web,
				owner: "telco/smf:n4",
				protocol: "sctp",
				port: 8805,
				outside: to([backend("10.244.2.8", 8805)], "never"),
			},
		],
	},
	"pods-by-interface": {
		balancers: [
			web,
			{ ...web, front: loadBalancer, outside: to([here], "never"), inside: to([here, there], "always") },
		],
		node: { ...usualNode, localTraffic: { type: "interface", name: "veth", isPrefix: true } },
	},
	"masquerade-all": { balancers: [web], node: { ...usualNode, masqueradeAll: true, masqueradeBit: 10 } },
	"pods-unknown": { balancers: [web], node: { ...usualNode, localTraffic: undefined } },
	"round-robin": { balancers: [{ ...web, scheduler: "rr" }] },
	"weighted-round-robin": { balancers: [{ ...virtualServer, scheduler: "wrr" }] },
	"source-hash": { balancers: [{ ...web, scheduler: "sh" }] },
	maglev: { balancers: [{ ...web, scheduler: "maglev" }] },
	"source-hash-two-ways-in": {
		balancers: ["203.0.113.10", "203.0.113.11"].map((address) => ({
			...web,
			front: { type: "loadBalancerIP", family: "ipv4", address },
			scheduler: "sh",
			outside: to([there, elsewhere], "never"),
		})),
	},
	"weight-0": {
		balancers: [
			{
				...virtualServer,
				outside: to([backend("192.0.2.61", 443, { weight: 0 }), backend("192.0.2.62", 443)], "never"),
			},
		],
	},
	"scheduler-of-ipvs": { balancers: [{ ...virtualServer, scheduler: "lc" }] },
	"all-ports": {
		balancers: [
			{
				...virtualServer,
				owner: "virtual_server 192.0.2.50 0",
				port: 0,
				scheduler: "sh",
				outside: to([backend("192.0.2.61", 0), backend("192.0.2.62", 0)], "never"),
			},
		],
	},
	mark: {
		balancers: [
			{
				...virtualServer,
				owner: "virtual_server fwmark 7",
				front: { type: "mark", family: "ipv4", mark: 7 },
				port: 0,
				scheduler: "wrr",
			},
		],
	},
	"one-address-two-owners": {
		balancers: [{ ...web, owner: "shop/web-copy:http", outside: to([elsewhere], "never") }, web],
	},
};

export const changeCases: Readonly<
	Record<string, { readonly before: readonly Balancer[]; readonly after: readonly Balancer[] }>
> = {
	"change-endpoint-replaced": {
		before: [web],
		after: [{ ...web, outside: to([there, backend("10.244.4.5", 8080)], "fromOutsideCluster") }],
	},
	"change-endpoint-comes": {
		before: [web],
		after: [{ ...web, outside: to([here, there, elsewhere], "fromOutsideCluster") }],
	},
	"change-endpoint-leaves": {
		before: [{ ...web, outside: to([here, there, elsewhere], "fromOutsideCluster") }],
		after: [{ ...web, outside: to([there, elsewhere], "fromOutsideCluster") }],
	},
	"change-last-endpoint-leaves": { before: [web], after: [{ ...web, outside: { type: "reject" } }] },
	"change-endpoint-with-affinity": {
		before: [{ ...web, affinity: { timeoutSec: 600 } }],
		after: [
			{
				...web,
				affinity: { timeoutSec: 600 },
				outside: to([there, backend("10.244.4.5", 8080)], "fromOutsideCluster"),
			},
		],
	},
	"change-endpoint-behind-source-ranges": {
		before: [{ ...web, front: loadBalancer, sourceRanges: ["10.0.0.0/8"] }],
		after: [
			{
				...web,
				front: loadBalancer,
				sourceRanges: ["10.0.0.0/8"],
				outside: to([there, backend("10.244.4.5", 8080)], "fromOutsideCluster"),
			},
		],
	},
	"change-source-ranges": {
		before: [{ ...web, front: loadBalancer, sourceRanges: ["10.0.0.0/8", "198.51.100.0/24"] }],
		after: [{ ...web, front: loadBalancer, sourceRanges: ["10.1.0.0/16", "198.51.100.0/24"] }],
	},
	"change-service-leaves": { before: [web], after: [] },
	"change-owners-exchange-addresses": {
		before: [web, { ...virtualServer, port: 80 }],
		after: [
			{ ...web, front: { type: "clusterIP", family: "ipv4", address: "192.0.2.50" } },
			{ ...virtualServer, port: 80, front: { type: "virtualServer", family: "ipv4", address: "10.96.0.10" } },
		],
	},
};

function to(backends: readonly Backend[], masquerade: Extract<Answer, { type: "balance" }>["masquerade"]): Answer {
	return { type: "balance", backends, masquerade };
}

function backend(address: string, port: number, rest: Partial<Backend> = {}): Backend {
	return { address, port, weight: 1, local: false, forwarding: { method: "NAT" }, ...rest };
}

// Who answers for which address, and which ports are free to be taken. Values: ip-sysctl.rst; kube-proxy's strictARP.

import type { HostFacts } from "../host-facts.ts";
import type { Setting } from "../setting.ts";

const answersForOthers = (facts: HostFacts): boolean =>
	facts.uses.has("strict-arp") || facts.uses.has("direct-routing");

/** 15443 (east-west) is the highest port that Keepmesh and its proxies listen on. */
const firstFreePort = 15_444;
/** Kubernetes gives node ports out of 30000-32767 (--service-node-port-range). */
const lastNodePort = 32_767;

export const addressSettings: readonly Setting[] = [
	{
		key: "net/ipv4/conf/all/arp_ignore",
		label: "arp_ignore",
		roles: ["l4", "vip"],
		level: "must",
		expect: (facts) => (answersForOthers(facts) ? { type: "oneOf", values: [1, 2], best: 1 } : undefined),
		fault: "machines answer ARP for an address that another one owns",
		detail:
			"Direct routing, and kube-proxy in IPVS mode, put a service's address on machines that do not own it on the link. 1 answers only for addresses of the interface that was asked (kube-proxy: strictARP). Keepmesh's own IPVS backend makes addresses local by routes, which nobody answers ARP for.",
	},
	{
		key: "net/ipv4/conf/all/arp_announce",
		label: "arp_announce",
		roles: ["l4", "vip"],
		level: "must",
		expect: (facts) => (answersForOthers(facts) ? { type: "exactly", value: 2 } : undefined),
		fault: "ARP requests name a service's address as their sender",
		detail:
			"With 2 a request names the best address of the interface that it leaves by; else neighbours learn the wrong owner.",
	},
	{
		key: "net/ipv4/conf/all/promote_secondaries",
		label: "promote_secondaries",
		roles: ["vip"],
		level: "should",
		expect: () => ({ type: "exactly", value: 1 }),
		fault: "removing one address takes others of its subnet along",
		detail:
			"When a primary address leaves, the kernel deletes all secondary addresses of the same subnet, unless they are promoted. A virtual IP with the prefix length of its subnet is such an address.",
	},
	{
		key: "net/ipv4/ip_nonlocal_bind",
		label: "ip_nonlocal_bind",
		roles: ["vip"],
		level: "note",
		expect: () => ({ type: "exactly", value: 1 }),
		fault: "a service bound to a virtual IP fails on backup nodes",
		detail:
			"Needed only by programs that bind the virtual IP itself before the node owns it; one that listens on 0.0.0.0 does not, and Envoy's listeners can set freebind instead.",
		loosens: "every program may bind addresses that are not this machine's",
	},
	{
		key: "net/ipv4/ip_local_port_range",
		label: "ip_local_port_range",
		roles: ["control", "node", "l4"],
		level: "should",
		expect: (facts) => {
			const reserved = facts.sysctls.get("net/ipv4/ip_local_reserved_ports") ?? "";
			const covers = (port: number): boolean => isReserved(reserved, port);
			const needed = [15_012, 15_014, 30_000, lastNodePort].filter((port) => !covers(port));
			return {
				type: "rangeFrom",
				first: needed.includes(lastNodePort) ? lastNodePort + 1 : needed.length > 0 ? firstFreePort : 1,
			};
		},
		fault: "now and then a port is taken when Keepmesh starts",
		detail:
			"Outgoing connections get their ports from here, and may hold one that a listener wants: 15000 to 15443, and health-check node ports, which lie in 30000-32767. The kernel's default begins at 32768. net.ipv4.ip_local_reserved_ports is the other way.",
	},
];

/** `1,30000-32767`. */
function isReserved(reserved: string, port: number): boolean {
	return reserved.split(",").some((part) => {
		const [first = Number.NaN, last = first] = part.split("-").map(Number);
		return part !== "" && port >= first && port <= last;
	});
}

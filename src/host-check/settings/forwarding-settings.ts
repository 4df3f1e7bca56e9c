// May packets pass this machine, and on which ways. Values: Documentation/networking/ip-sysctl.rst.

import type { HostFacts } from "../host-facts.ts";
import type { Setting } from "../setting.ts";

const asymmetricUses = ["direct-routing", "asymmetric"] as const;

const isAsymmetric = (facts: HostFacts): boolean => asymmetricUses.some((use) => facts.uses.has(use));

export const forwardingSettings: readonly Setting[] = [
	{
		key: "net/ipv4/ip_forward",
		label: "ip_forward",
		roles: ["node", "l4"],
		level: "must",
		expect: () => ({ type: "exactly", value: 1 }),
		fault: "packets between pods and machines vanish",
		detail:
			"A service's connection is sent on to a pod or to another machine, and the kernel drops what it may not forward. kube-proxy in IPVS mode and every CNI plug-in set it as well.",
		means:
			"the machine passes packets on between its networks, as a router does; a firewall's forward rules decide which",
		alsoChanges: ["net/ipv4/conf/*/forwarding", "net/ipv4/conf/*/accept_redirects"],
	},
	{
		key: "net/ipv6/conf/all/forwarding",
		label: "ipv6 forwarding",
		roles: ["node", "l4"],
		level: "should",
		expect: (facts) => (facts.hasIpv6 ? { type: "exactly", value: 1 } : undefined),
		optional: true,
		fault: "services with IPv6 addresses time out",
		detail:
			"As ip_forward, for IPv6. A kernel that forwards takes no default route out of router advertisements any more, unless accept_ra is 2 on that interface.",
		means: "the machine passes IPv6 packets on between its networks, as a router does",
		alsoChanges: ["net/ipv6/conf/*/forwarding"],
	},
	{
		id: "ipv6.accept-ra",
		label: "ipv6 accept_ra",
		roles: ["node", "l4"],
		judge: (facts) => {
			const lost = facts.advertisedRoutes.filter(
				(name) => facts.sysctls.get(`net/ipv6/conf/${name}/accept_ra`) === "1",
			);
			const [first] = lost;
			if (facts.advertisedRoutes.length === 0 || !facts.hasIpv6) return undefined;
			if (first === undefined) return { level: "ok", is: "2", shouldBe: "2 where routes are advertised" };
			return {
				level: "should",
				is: `1 on ${lost.join(", ")}`,
				shouldBe: "2",
				remedy: `sysctl -w ${lost.map((name) => `net.ipv6.conf.${name}.accept_ra=2`).join(" ")}, and the same in a file of /etc/sysctl.d, before forwarding is switched on`,
			};
		},
		fault: "the IPv6 default route leaves when forwarding is on",
		detail:
			"With forwarding on, accept_ra 1 means that router advertisements are ignored; 2 takes them also on a router (ip-sysctl.rst). A fix never touches it: it belongs to one interface, which a network manager may own.",
	},
	{
		id: "net.ipv4.conf.all.rp_filter",
		label: "rp_filter",
		roles: ["node", "l4", "vip"],
		judge: (facts) => {
			const strict = strictInterfaces(facts);
			if (strict === undefined) return undefined;
			const shouldBe = "2 or 0";
			if (strict.length === 0) return { level: "ok", is: "loose or off", shouldBe };
			const is = strict.length > 2 ? `1 on ${strict.length}` : `1 on ${strict.join(",")}`;
			const loosens = "packets with forged sources of other networks pass where only this filter held them back";
			const fix = { key: "net/ipv4/conf/all/rp_filter", value: "2", loosens };
			return { level: isAsymmetric(facts) ? "must" : "note", is, shouldBe, fix };
		},
		fault: "replies that come another way back are dropped, silently",
		detail:
			"Strict reverse path filtering (1) drops a packet whose source would be answered through another interface: direct routing, tunnels, several uplinks. The larger of conf/all and conf/INTERFACE is in force, so 2 in conf/all makes all loose: any source that some route leads to is taken (RFC 3704). Nothing is wrong with 1 where every way back is the way there; --with direct-routing or --with asymmetric says that it is not.",
	},
	{
		key: "net/ipv4/conf/all/route_localnet",
		label: "route_localnet",
		roles: ["node", "l4"],
		level: "must",
		expect: () => ({ type: "exactly", value: 0 }),
		fault: "neighbours reach what listens on 127.0.0.1 only",
		detail:
			"With 1 the kernel routes 127.0.0.0/8 from outside (CVE-2020-8558). kube-proxy in iptables mode sets it for node ports on localhost; Keepmesh does not answer node ports there and does not need it.",
	},
	{
		key: "net/bridge/bridge-nf-call-iptables",
		label: "bridge-nf-call-iptables",
		roles: ["l4"],
		level: "must",
		expect: (facts) => (facts.bridges.length > 0 ? { type: "exactly", value: 1 } : undefined),
		optional: true,
		fault: "a pod gets no answer from a service on its own bridge",
		detail:
			"When a service's backend is on the same bridge as the client, the answer takes the bridge and misses the rules that would put the service's address back, unless br_netfilter hands bridged packets to them.",
	},
	{
		key: "net/bridge/bridge-nf-call-ip6tables",
		label: "bridge-nf-call-ip6tables",
		roles: ["l4"],
		level: "should",
		expect: (facts) => (facts.bridges.length > 0 && facts.hasIpv6 ? { type: "exactly", value: 1 } : undefined),
		optional: true,
		fault: "the same for IPv6",
		detail: "As bridge-nf-call-iptables, for IPv6.",
	},
	{
		id: "module.br_netfilter",
		label: "br_netfilter",
		roles: ["l4"],
		judge: (facts) => {
			if (facts.bridges.length === 0) return undefined;
			if (facts.sysctls.has("net/bridge/bridge-nf-call-iptables"))
				return { level: "ok", is: "present", shouldBe: "present" };
			return {
				level: "should",
				is: "not loaded",
				shouldBe: "loaded",
				remedy: "modprobe br_netfilter, and the name in a file of /etc/modules-load.d",
			};
		},
		fault: "a pod gets no answer from a service on its own bridge",
		detail: "This machine has bridges. If pods hang on them, see bridge-nf-call-iptables; if not, it is of no matter.",
	},
];

/** Interfaces where the filter is strict in effect; undefined when this kernel has no such setting. */
function strictInterfaces(facts: HostFacts): readonly string[] | undefined {
	const all = facts.sysctls.get("net/ipv4/conf/all/rp_filter");
	if (all === undefined) return undefined;
	const strict: string[] = [];
	for (const [key, value] of facts.sysctls) {
		const name = /^net\/ipv4\/conf\/(.+)\/rp_filter$/.exec(key)?.[1];
		if (name === undefined || name === "all" || name === "default" || name === "lo") continue;
		if (Math.max(Number(all), Number(value)) === 1) strict.push(name);
	}
	return strict;
}

// What the IPVS backend needs. Values: ipvs-sysctl.rst, and what kube-proxy sets in IPVS mode.

import type { HostFacts } from "../host-facts.ts";
import type { Expectation, Setting } from "../setting.ts";

const withIpvs =
	(expectation: Expectation) =>
	(facts: HostFacts): Expectation | undefined =>
		facts.uses.has("ipvs") ? expectation : undefined;

const on = withIpvs({ type: "exactly", value: 1 });

const isOlder = ({ kernel }: HostFacts, major: number, minor: number): boolean =>
	kernel.major < major || (kernel.major === major && kernel.minor < minor);

export const ipvsSettings: readonly Setting[] = [
	{
		id: "module.ip_vs",
		label: "module ip_vs",
		roles: ["l4"],
		judge: (facts) => {
			if (!facts.uses.has("ipvs")) return undefined;
			const is = facts.modules.get("ip_vs");
			if (is === "present") return { level: "ok", is, shouldBe: "present" };
			if (is === "loadable") return { level: "ok", is, shouldBe: "present", remedy: "modprobe ip_vs" };
			return is === undefined
				? { level: "unknown", is: "not known", shouldBe: "present" }
				: { level: "must", is, shouldBe: "present", remedy: "--layer4 nftables, or another kernel" };
		},
		fault: "no IPVS backend on this kernel",
		detail:
			"The kernel's own load balancer (CONFIG_IP_VS). nftables does all of it but the schedulers that count connections, direct routing and tunnels.",
	},
	{
		key: "net/ipv4/vs/conntrack",
		label: "vs/conntrack",
		roles: ["l4"],
		level: "must",
		expect: on,
		optional: true,
		fault: "connections through IPVS are not masqueraded",
		detail: "Without it IPVS keeps its connections out of conntrack, and nat rules do not see them. kube-proxy sets 1.",
	},
	{
		key: "net/ipv4/vs/conn_reuse_mode",
		label: "vs/conn_reuse_mode",
		roles: ["l4"],
		level: "should",
		expect: (facts) => (facts.uses.has("ipvs") && isOlder(facts, 5, 9) ? { type: "exactly", value: 0 } : undefined),
		optional: true,
		fault: "a reused port waits one second for its connection",
		detail:
			"Before Linux 5.9 mode 1 drops the first packet of a reused port when conntrack is on. kube-proxy sets 0 there, and leaves later kernels as they are.",
	},
	{
		key: "net/ipv4/vs/expire_nodest_conn",
		label: "vs/expire_nodest_conn",
		roles: ["l4"],
		level: "should",
		expect: on,
		optional: true,
		fault: "clients of a removed backend hang instead of failing",
		detail:
			"With 0 packets to a backend that is gone are dropped in silence; with 1 the client is told at once. kube-proxy sets 1.",
	},
	{
		key: "net/ipv4/vs/expire_quiescent_template",
		label: "vs/expire_quiescent_tmpl",
		roles: ["l4"],
		level: "should",
		expect: on,
		optional: true,
		fault: "clients with persistence keep going to a drained backend",
		detail:
			"With 1 a persistence entry ends when its backend has weight 0, so new connections go elsewhere. kube-proxy sets 1.",
	},
	{
		id: "ipvs.foreign-servers",
		label: "virtual servers of others",
		roles: ["l4"],
		judge: (facts) => {
			if (facts.virtualServers === undefined) return undefined;
			const is = String(facts.virtualServers);
			if (facts.virtualServers === 0) return { level: "ok", is, shouldBe: "known" };
			return { level: "note", is, shouldBe: "known", remedy: "ipvsadm -Ln shows them" };
		},
		fault: "IPVS already balances here; ours are added beside them",
		detail:
			"Keepmesh leaves virtual servers alone that it did not make. The same address and port in both would be one of them only.",
	},
];

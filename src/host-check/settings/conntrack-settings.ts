// The kernel's table of connections, which every translated connection lives in. Values: nf_conntrack-sysctl.rst, and
// kube-proxy's defaults (32,768 entries for each core, 131,072 at least, one bucket for four entries).

import type { HostFacts } from "../host-facts.ts";
import type { Setting } from "../setting.ts";

const entriesPerCore = 32_768;
const leastEntries = 131_072;
/** An entry with what translation adds to it; its slab object alone is 256 bytes in Linux 6.18. */
const bytesPerEntry = 320;

/** Never more than an eighth of the memory. A power of two times 1,024, so that the kernel rounds nothing. */
export function wantedEntries({ cpus, memoryBytes, conntrack }: HostFacts): number {
	const used = conntrack?.entries ?? 0;
	const wanted = Math.max(leastEntries, entriesPerCore * cpus, used * 2);
	const affordable = Math.max(8192, Math.floor(memoryBytes / 8 / bytesPerEntry));
	const entries = Math.min(wanted, affordable);
	return entries === wanted && used * 2 < wanted ? entries : 2 ** Math.floor(Math.log2(entries));
}

const seconds = (least: number, most: number, best: number) => ({ type: "between", least, most, best }) as const;

export const conntrackSettings: readonly Setting[] = [
	{
		id: "conntrack.full",
		label: "conntrack entries",
		roles: ["node", "l4"],
		judge: (facts) => {
			const most = Number(facts.sysctls.get("net/netfilter/nf_conntrack_max") ?? Number.NaN);
			if (!facts.conntrack || !(most > 0)) return undefined;
			const { entries, dropped } = facts.conntrack;
			const is = `${entries} of ${most}`;
			const shouldBe = `< ${Math.floor(most * 0.9)}`;
			if (entries >= most * 0.9) return { level: "must", is, shouldBe, remedy: "keepmesh check --fix" };
			if (dropped > 0)
				return { level: "should", is, shouldBe, fault: `${dropped} were dropped for a full table since the start` };
			return { level: "ok", is, shouldBe };
		},
		fault: "the table is nearly full: new connections are dropped",
		detail:
			"A full table drops new connections and says so in the kernel log only (nf_conntrack: table full, dropping packet).",
	},
	{
		key: "net/netfilter/nf_conntrack_max",
		label: "nf_conntrack_max",
		roles: ["node", "l4"],
		level: "should",
		expect: (facts) => ({ type: "atLeast", value: wantedEntries(facts) }),
		fault: "under load new connections are dropped",
		detail:
			"kube-proxy's rule: 32,768 for each core, 131,072 at least; here also no more than an eighth of the memory at 320 bytes an entry, and twice what is in use now.",
	},
	{
		key: "net/netfilter/nf_conntrack_buckets",
		label: "nf_conntrack_buckets",
		roles: ["node", "l4"],
		level: "should",
		expect: (facts) => {
			const most = Math.max(Number(facts.sysctls.get("net/netfilter/nf_conntrack_max") ?? 0), wantedEntries(facts));
			return { type: "atLeast", value: Math.ceil(most / 4 / 512) * 512 };
		},
		fault: "long chains: every packet takes longer",
		detail:
			"One bucket for four entries at most, as kube-proxy keeps it. Can be written in the first network namespace only.",
	},
	{
		key: "net/netfilter/nf_conntrack_tcp_loose",
		label: "conntrack tcp_loose",
		roles: ["l4"],
		level: "must",
		expect: () => ({ type: "exactly", value: 1 }),
		fault: "no open connection survives the loss of a node",
		detail:
			"With Maglev another node sends an open connection to the same backend, if its kernel picks up connections that it did not see begin. 1 is the kernel's default.",
		loosens: "packets of connections that the kernel did not see begin may pass rules for established ones",
	},
	{
		key: "net/netfilter/nf_conntrack_tcp_be_liberal",
		label: "conntrack tcp_be_liberal",
		roles: ["l4"],
		level: "note",
		expect: () => ({ type: "exactly", value: 1 }),
		fault: "long transfers may be reset at random where packets get lost",
		detail:
			"A packet outside the window counts as invalid and is not translated back; the peer answers it with a reset. kube-proxy leaves it at 0 unless conntrack.tcpBeLiberal is set. Worth it where pods of other machines see resets.",
		loosens: "packets outside the TCP window are translated and pass",
	},
	{
		key: "net/netfilter/nf_conntrack_tcp_timeout_established",
		label: "conntrack tcp established",
		roles: ["l4"],
		level: "should",
		expect: () => seconds(7_440, 86_400, 86_400),
		fault: "dead connections fill the table, or idle ones are cut",
		detail:
			"The kernel keeps an idle connection for 432,000 s; kube-proxy sets 86,400. Below 7,440 s a connection that is kept alive by the kernel's default (first probe after 7,200 s) is forgotten while both ends still hold it.",
	},
	{
		key: "net/netfilter/nf_conntrack_tcp_timeout_close_wait",
		label: "conntrack tcp close_wait",
		roles: ["l4"],
		level: "should",
		expect: () => seconds(3_600, Number.POSITIVE_INFINITY, 3_600),
		fault: "slowly closed connections end in resets and refusals",
		detail:
			"After 60 s (the kernel's default) the end of a half-closed connection is no longer translated; the far end keeps the old one and refuses the next with the same ports. kube-proxy sets 3,600 s.",
	},
	{
		key: "net/netfilter/nf_conntrack_udp_timeout",
		label: "conntrack udp",
		roles: ["l4"],
		level: "note",
		expect: () => ({ type: "atLeast", value: 30 }),
		fault: "slow answers over UDP are not translated back",
		detail: "30 s is the kernel's default, and kube-proxy leaves it. No other value is known to be better for all.",
	},
	{
		key: "net/netfilter/nf_conntrack_udp_timeout_stream",
		label: "conntrack udp stream",
		roles: ["l4"],
		level: "note",
		expect: () => ({ type: "atLeast", value: 120 }),
		fault: "a quiet UDP flow moves to another backend",
		detail:
			"120 s is the kernel's default since 5.0, and kube-proxy leaves it. No other value is known to be better for all.",
	},
];

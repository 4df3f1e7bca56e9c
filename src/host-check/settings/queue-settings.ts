// How many connections, packets and neighbours may wait. Values: ip-sysctl.rst, net.rst; where no value is right for every
// machine the kernel's own counters of what was dropped decide.

import type { HostFacts } from "../host-facts.ts";
import type { Expectation, Setting } from "../setting.ts";

/** The default limit on neighbours that are not permanent. */
const defaultNeighbours = 1024;

/** Half of the table is enough; four times what is there now when it is not. */
const neighboursFor = (count: number | undefined, share: number): Expectation => {
	const used = count ?? 0;
	const limit = used * 2 > defaultNeighbours ? 2 ** Math.ceil(Math.log2(used * 4)) : defaultNeighbours;
	return { type: "atLeast", value: limit / share };
};

const neighbourSetting = (family: "ipv4" | "ipv6", which: 2 | 3): Setting => ({
	key: `net/${family}/neigh/default/gc_thresh${which}`,
	label: `${family} gc_thresh${which}`,
	roles: ["node", "l4", "vip"],
	level: "should",
	expect: (facts: HostFacts) => neighboursFor(facts.neighbours[family], which === 3 ? 1 : 2),
	optional: true,
	fault:
		which === 3 ? "no buffer space: neighbours cannot be reached" : "neighbours are asked for again every five seconds",
	detail: `${which === 3 ? "At most so many neighbours, 1,024 by default; a machine with a pod network has one for each pod and node that it talks to." : "Above so many, entries older than 5 s are thrown away; 512 by default."} Recommended is four times what is in the table when that is more than half full.`,
});

export const queueSettings: readonly Setting[] = [
	{
		key: "net/core/somaxconn",
		label: "somaxconn",
		roles: ["control", "node", "l4"],
		level: "should",
		expect: () => ({ type: "atLeast", value: 4096 }),
		fault: "bursts of new connections are dropped",
		detail:
			"The longest queue of connections that a listener has not taken yet. 4096 is the default since Linux 5.4, 128 before.",
	},
	{
		key: "net/ipv4/tcp_max_syn_backlog",
		label: "tcp_max_syn_backlog",
		roles: ["control", "node", "l4"],
		level: "should",
		expect: () => ({ type: "atLeast", value: 1024 }),
		fault: "bursts of new connections fall back to SYN cookies",
		detail:
			"Half-open connections of one listener. The kernel's default grows with the memory from 128; tcp(7) names 1024 for machines with more than 128 MB.",
	},
	{
		key: "net/ipv4/tcp_syncookies",
		label: "tcp_syncookies",
		roles: ["control", "node", "l4"],
		level: "should",
		expect: () => ({ type: "oneOf", values: [1, 2], best: 1 }),
		optional: true,
		fault: "a SYN flood shuts everybody out",
		detail: "1, the default, answers without keeping state when the queue of half-open connections is full.",
	},
	{
		id: "net.core.netdev_max_backlog",
		label: "netdev_max_backlog",
		roles: ["node", "l4", "vip"],
		judge: ({ inputQueueDropped, sysctls }) => {
			const value = sysctls.get("net/core/netdev_max_backlog");
			if (value === undefined || inputQueueDropped === undefined) return undefined;
			if (inputQueueDropped === 0) return { level: "ok", is: value, shouldBe: "no drops" };
			const doubled = Number(value) * 2;
			return {
				level: "should",
				is: value,
				shouldBe: `>= ${doubled}`,
				fault: `its queue was full: ${inputQueueDropped} packets dropped since the start`,
				remedy: `sysctl -w net.core.netdev_max_backlog=${doubled}, then look at /proc/net/softnet_stat again`,
			};
		},
		fault: "packets are dropped before any rule sees them",
		detail:
			"Packets that wait for a processor on their way in; 1000 by default. The second column of /proc/net/softnet_stat counts the dropped ones: as long as that is 0, no larger value is better.",
	},
	neighbourSetting("ipv4", 3),
	neighbourSetting("ipv4", 2),
	neighbourSetting("ipv6", 3),
	neighbourSetting("ipv6", 2),
];

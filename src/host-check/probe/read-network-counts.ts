// What the kernel counts of its network: tracked connections, neighbours, dropped packets, IPv6 routes.

import type { HostFacts } from "../host-facts.ts";
import type { MachineRoot } from "./machine-root.ts";

export function readConntrack(root: MachineRoot): Pick<HostFacts, "conntrack" | "inputQueueDropped"> {
	const entries = root.read("proc/sys/net/netfilter/nf_conntrack_count");
	const softnet = root.read("proc/net/softnet_stat");
	return {
		...(entries === undefined ? {} : { conntrack: { entries: Number(entries), dropped: droppedOf(root) } }),
		...(softnet === undefined ? {} : { inputQueueDropped: sumOfColumn(softnet.trim().split("\n"), 1) }),
	};
}

/** Columns `drop` (no room) and `early_drop` (made room by dropping another). */
function droppedOf(root: MachineRoot): number {
	const [header = "", ...lines] = (root.read("proc/net/stat/nf_conntrack") ?? "").trim().split("\n");
	const names = header.trim().split(/\s+/);
	return ["drop", "early_drop"]
		.map((name) => names.indexOf(name))
		.filter((column) => column >= 0)
		.reduce((sum, column) => sum + sumOfColumn(lines, column), 0);
}

const sumOfColumn = (lines: readonly string[], column: number): number =>
	lines.reduce((sum, line) => sum + Number.parseInt(line.trim().split(/\s+/)[column] ?? "0", 16), 0);

/** IPv4's stand in /proc/net/arp; the kernel's statistics count those of IPv6. */
export function readNeighbours(root: MachineRoot): Pick<HostFacts, "neighbours"> {
	const ipv4 = entriesOf(root.read("proc/net/stat/arp_cache"));
	const ipv6 = entriesOf(root.read("proc/net/stat/ndisc_cache"));
	return {
		neighbours: { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) },
	};
}

/** Every processor's line repeats the number of entries. */
function entriesOf(text: string | undefined): number | undefined {
	const line = text?.trim().split("\n")[1];
	return line === undefined ? undefined : Number.parseInt(line.trim().split(/\s+/)[0] ?? "0", 16);
}

/** Route flags of RFC 4191's advertisements: RTF_ADDRCONF. */
const byAdvertisement = 0x0004_0000;

export function readIpv6(root: MachineRoot): Pick<HostFacts, "hasIpv6" | "advertisedRoutes"> {
	const addresses = (root.read("proc/net/if_inet6") ?? "").trim().split("\n");
	const routes = (root.read("proc/net/ipv6_route") ?? "").trim().split("\n");
	const advertised = new Set<string>();
	for (const line of routes) {
		const fields = line.trim().split(/\s+/);
		const [destination = "", length] = fields;
		const name = fields[9];
		const flags = Number.parseInt(fields[8] ?? "0", 16);
		if (/^0+$/.test(destination) && length === "00" && name !== undefined && flags & byAdvertisement)
			advertised.add(name);
	}
	// The fourth column is the scope: 00 is global.
	const hasIpv6 = addresses.some((line) => line.trim().split(/\s+/)[3] === "00");
	return { hasIpv6, advertisedRoutes: [...advertised] };
}

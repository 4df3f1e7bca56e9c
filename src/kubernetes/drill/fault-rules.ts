// What cuts one virtual IP off on a node, as nft commands, one a line. Their tables belong to the process that made them (flag
// `owner`): the kernel takes them away when it ends, however it ends. Only the drilled address and its virtual router are met.

export const faultTable = "keepmesh-drill";
/** UDP, of the fast heartbeat. */
const heartbeatPort = 15112;

export interface DrilledRouter {
	/** IPv4. */
	readonly address: string;
	readonly virtualRouterId: number;
}

const made = [`add table inet ${faultTable} { flags owner; }`, `add table arp ${faultTable} { flags owner; }`];

/**
 * As if the cable were pulled, for that address: nothing reaches it, nothing leaves from it, nobody is told where it is. Adverts of
 * others are heard, so that a process that is started behind it does not claim.
 */
export function cutRules({ address, virtualRouterId }: DrilledRouter): readonly string[] {
	return [
		...made,
		chain("inet", "in", "prerouting", -310),
		rule("inet", "in", `ip daddr ${address} drop`),
		chain("inet", "out", "postrouting", 310),
		rule("inet", "out", `ip saddr ${address} drop`),
		rule("inet", "out", advertsOf(virtualRouterId)),
		chain("arp", "in", "input", 0),
		rule("arp", "in", `arp daddr ip ${address} drop`),
		chain("arp", "out", "output", 0),
		rule("arp", "out", `arp saddr ip ${address} drop`),
	];
}

/** The node does not hear the peers' adverts; `heartbeats`: nor the heartbeats that they send for all of their addresses. */
export function partRules(
	{ address, virtualRouterId }: DrilledRouter,
	peers: readonly string[],
	heartbeats: boolean,
): readonly string[] {
	const from = `ip saddr { ${peers.join(", ")} }`;
	return [
		...made,
		chain("inet", "in", "prerouting", -310),
		rule("inet", "in", `${from} ${advertsOf(virtualRouterId)}`),
		...(heartbeats ? [rule("inet", "in", `${from} udp dport ${heartbeatPort} drop`)] : []),
		chain("arp", "in", "input", 0),
		rule("arp", "in", `arp saddr ip ${address} drop`),
	];
}

/** The VRID is the second byte after the IP header. */
function advertsOf(virtualRouterId: number): string {
	return `ip protocol 112 @th,8,8 ${virtualRouterId} drop`;
}

function chain(family: string, name: string, hook: string, priority: number): string {
	return `add chain ${family} ${faultTable} ${name} { type filter hook ${hook} priority ${priority}; }`;
}

function rule(family: string, chainName: string, text: string): string {
	return `add rule ${family} ${faultTable} ${chainName} ${text}`;
}

// The part of a redirect's table that lets go of a proxy by itself. In: how long the lease runs, and what the pod's path is. Out:
// lines of nftables text: six sets, the chain where Envoy's tries to reach a closed port refresh the sets `alive` and `recent`, and
// chains that send a new connection to the sidecar, to the spare, past both, to a sidecar that is only late, or refuse it,
// whichever comes first.

import type { PathState } from "./path-state.ts";

/** A loopback port that nobody listens on: Envoy tries to connect to it, and each try is a sign of life. */
export const heartbeatPort = 15_999;
/** Conntrack mark of connections that the sidecar gets, so that they can be found and dropped as one. */
export const redirectMark = 0x539;
/** Of those that the spare gets: they outlive the sidecar. */
const spareMark = 0x53a;

export const leaseTable = { family: "inet", name: "keepmesh" } as const;
export const aliveSet = "alive";
/** Like `alive`, but for longer: the last resort. */
export const recentSet = "recent";
export const admittedSet = "admitted";
export const spareSet = "spare";
export const directSet = "direct";
export const patientSet = "patient";

export interface Lease {
	/** How long the kernel goes on redirecting without a sign of life. */
	readonly leaseMs: number;
	/** Without a sign of life for so long the sidecar hangs, and the agent takes it off the path. */
	readonly hangMs: number;
}

/**
 * How long a silent sidecar that runs is still preferred to a refusal. Longer than it takes to call it hung: an agent that sees a
 * hang takes it off the path, and where it sees none, or is gone, a late answer is better than none.
 */
export function lastResortMs({ hangMs }: Pick<Lease, "hangMs">): number {
	return Math.max(hangMs, 1000);
}

/** Ports of the sidecar and of the spare that take a side's connections. */
interface ProxyPorts {
	readonly sidecar: number;
	readonly spare: number;
}

export const inboundPortsOfProxies: ProxyPorts = { sidecar: 15_006, spare: 15_106 };
export const outboundPortsOfProxies: ProxyPorts = { sidecar: 15_001, spare: 15_101 };

/** `isProxy`: whose signs of life count. A sidecar that is admitted starts with a whole lease, so that nothing is refused before its next sign of life. */
export function leaseLines(lease: Lease, isProxy: string, state: PathState): readonly string[] {
	const { leaseMs } = lease;
	const recentMs = lastResortMs(lease);
	const members = (isOn: boolean, element = "tcp"): string => (isOn ? `elements = { ${element} }; ` : "");
	const timed = (name: string, timeoutMs: number): string =>
		`\tset ${name} { type inet_proto; size 64; flags dynamic,timeout; timeout ${timeoutMs}ms; ${members(state.sidecar, `tcp timeout ${timeoutMs}ms expires ${timeoutMs}ms`)}}`;
	return [
		// Memory is taken for its whole size. More than one: what is over stays a while beside what comes.
		timed(aliveSet, leaseMs),
		timed(recentSet, recentMs),
		`\tset ${admittedSet} { type inet_proto; ${members(state.sidecar)}}`,
		`\tset ${spareSet} { type inet_proto; ${members(state.spare)}}`,
		`\tset ${directSet} { type inet_proto; ${members(state.direct)}}`,
		`\tset ${patientSet} { type inet_proto; ${members(state.patient)}}`,
		// Before connection tracking, which would keep each try for seconds.
		"\tchain heartbeat {",
		"\t\ttype filter hook output priority raw; policy accept;",
		`\t\t${isProxy} ip daddr 127.0.0.1 tcp dport ${heartbeatPort} tcp flags & (syn | ack) == syn update @${aliveSet} { meta l4proto timeout ${leaseMs}ms } update @${recentSet} { meta l4proto timeout ${recentMs}ms } notrack`,
		"\t}",
	];
}

/** Rules for a chain of NAT: the first packet of a connection decides, the others follow it. Without a match nothing goes past the proxies. */
export function redirectedPath(proxyPorts: ProxyPorts, directMatch: string | undefined): readonly string[] {
	const toSidecar = (...signs: readonly string[]): string =>
		`meta l4proto tcp ${matching(signs)} meta l4proto @${admittedSet} ct mark set ${hex(redirectMark)} redirect to :${proxyPorts.sidecar}`;
	return [
		toSidecar(aliveSet),
		`meta l4proto tcp meta l4proto @${spareSet} ct mark set ${hex(spareMark)} redirect to :${proxyPorts.spare}`,
		...(directMatch === undefined ? [] : [toSidecar(patientSet, recentSet), directly(directMatch)]),
		toSidecar(recentSet),
		"meta l4proto tcp reject with tcp reset",
	];
}

/** Not by the kernel's table of connections: it takes a SYN for part of one that it still remembers. */
const opensNone = "meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn";

/** Rules for a filter before routing. A TPROXY statement that finds no listener ends its rule, and the next one decides. */
export function transparentPath(
	proxyPorts: ProxyPorts,
	families: readonly (4 | 6)[],
	directMatch: string | undefined,
): readonly string[] {
	const taken = (match: string, port: number, mark: number): readonly string[] =>
		families.map(
			(family) =>
				`meta nfproto ipv${family} meta l4proto tcp ${match} tproxy ${family === 4 ? "ip" : "ip6"} to :${port} ct mark set ${hex(mark)} accept`,
		);
	const toSidecar = (...signs: readonly string[]): readonly string[] =>
		taken(`${matching(signs)} meta l4proto @${admittedSet}`, proxyPorts.sidecar, redirectMark);
	return [
		// What opens no connection belongs to one that was judged: to a proxy's, also by SYN cookie, or to one past them.
		...families.flatMap((family) =>
			[proxyPorts.sidecar, proxyPorts.spare].map(
				(port) => `meta nfproto ipv${family} ${opensNone} tproxy ${family === 4 ? "ip" : "ip6"} to :${port} accept`,
			),
		),
		`${opensNone} accept`,
		...toSidecar(aliveSet),
		...taken(`meta l4proto @${spareSet}`, proxyPorts.spare, spareMark),
		...(directMatch === undefined ? [] : [...toSidecar(patientSet, recentSet), directly(directMatch)]),
		...toSidecar(recentSet),
		"meta l4proto tcp reject with tcp reset",
	];
}

const directly = (match: string): string => `meta l4proto @${directSet} ${match}accept`;

const matching = (sets: readonly string[]): string => sets.map((set) => `meta l4proto @${set}`).join(" ");

const hex = (value: number): string => `0x${value.toString(16)}`;

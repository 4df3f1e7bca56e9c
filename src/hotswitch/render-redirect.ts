// Prints a RedirectPlan as the whole nftables table `inet keepmesh`, to be loaded by one `nft -f -` in the pod's network
// namespace: one atomic transaction, harmless when repeated. Outbound is a NAT redirect; inbound is TPROXY, which lets
// connections through to the application while nobody listens on 15006, where it takes plaintext; or a NAT redirect.

import { cidrFamilyOf, type IpFamily } from "./ip-text.ts";
import { closedPath, type PathState } from "./path-state.ts";
import type { PortRange, RedirectPlan } from "./redirect-plan.ts";
import {
	inboundPortsOfProxies,
	leaseLines,
	outboundPortsOfProxies,
	redirectedPath,
	redirectMark,
	transparentPath,
} from "./render-lease.ts";

/** User and group id of Envoy: its own connections are never redirected back into it. */
export const proxyUid = 1337;

/** Ports that Keepmesh and Envoy answer themselves. */
const ownPorts: readonly PortRange[] = [
	{ first: 15_000, last: 15_021 },
	{ first: 15_090, last: 15_090 },
];

/** Source address of connections from the inbound listener to the application; they must not be caught again. */
const inboundSource: Readonly<Record<IpFamily, string>> = { 4: "127.0.0.6", 6: "::6" };
const loopback: Readonly<Record<IpFamily, string>> = { 4: "127.0.0.0/8", 6: "::1" };

/**
 * Text for `nft -f -`. Lines of `firstRules` stand before all others in every chain: the place of a guard. Of a plan with a
 * lease, `path` is what the pod's path shall be once the table is there.
 */
export function renderRedirect(
	plan: RedirectPlan,
	firstRules: readonly string[] = [],
	path: PathState = closedPath,
): string {
	const chains = [
		...(plan.inbound === "NONE" ? [] : pathLines(plan, path)),
		outboundChain(plan, firstRules),
		...(plan.inbound === "TPROXY" ? [tproxyChain(plan, firstRules)] : []),
		...(plan.inbound === "REDIRECT" ? [redirectChain(plan, firstRules)] : []),
	];
	return [
		`# redirect of ${plan.owner}`,
		"table inet keepmesh",
		"delete table inet keepmesh",
		...(plan.inbound === "NONE" && !plan.dns ? [] : ["table inet keepmesh {", ...chains.flat(), "}"]),
		"",
	].join("\n");
}

/**
 * Text that redirects no new connection, but keeps those that Envoy has: while a NAT chain stands, even an empty one, the
 * kernel goes on translating their packets. Without any they would hang. Where plaintext is not taken, new connections from
 * outside are refused.
 */
export function renderReleasedRedirect(plan: RedirectPlan): string {
	const refused = refusals(plan).map((rule) => `ct state new ${rule}`);
	return [
		`# released redirect of ${plan.owner}`,
		"table inet keepmesh",
		"delete table inet keepmesh",
		"table inet keepmesh {",
		...chain("outbound", "type nat hook output priority -100", []),
		...chain("inbound", "type nat hook prerouting priority dstnat", []),
		...(refused.length > 0
			? chain("refused", "type filter hook prerouting priority mangle", [...inboundReturns(plan), ...refused])
			: []),
		"}",
		"",
	].join("\n");
}

/** Text that takes the redirect away; harmless when there is none. */
export function renderRedirectRemoval(): string {
	return "table inet keepmesh\ndelete table inet keepmesh\n";
}

function outboundChain(plan: RedirectPlan, firstRules: readonly string[]): readonly string[] {
	const rules: string[] = [...firstRules];
	const own = ownerMatch(plan);
	if (plan.dns) {
		const { address, port } = plan.dns;
		const target = cidrFamilyOf(address) === 6 ? `dnat ip6 to [${address}]:${port}` : `dnat ip to ${address}:${port}`;
		const family = cidrFamilyOf(address) === 6 ? "ipv6" : "ipv4";
		rules.push(
			`meta nfproto ${family} ${own} != ${proxyUid} fib daddr type != local meta l4proto { tcp, udp } th dport 53 ${target}`,
		);
	}
	if (plan.inbound === "NONE") return chain("outbound", "type nat hook output priority -100", rules);
	rules.push("meta l4proto != tcp return");
	// The reset that refuses an inbound connection passes here too.
	if (plan.lease) rules.push("ct direction reply return");
	// A proxy that calls its own pod through a service still passes its inbound side, where the peer's identity is checked.
	for (const family of plan.families)
		rules.push(
			`oifname "lo" ${own} ${proxyUid} ${saddr(family)} != ${inboundSource[family]} ${daddr(family)} != ${loopback[family]} tcp dport != ${ports([...ownPorts, ...plan.inboundExcludedPorts])} ${taken(plan, "self", 15_006)}`,
		);
	rules.push(`meta skuid ${proxyUid} return`, `meta skgid ${proxyUid} return`, "fib daddr type local return");
	if (plan.excludedInterfaces.length > 0) rules.push(`oifname ${names(plan.excludedInterfaces)} return`);
	if (plan.outboundExcludedPorts.length > 0) rules.push(`tcp dport ${ports(plan.outboundExcludedPorts)} return`);
	// One rule for each range: nftables refuses a set whose ranges overlap.
	for (const range of plan.outboundExcludedRanges) rules.push(`${daddr(cidrFamilyOf(range))} ${range} return`);
	for (const family of plan.families) {
		const redirect = taken(plan, "outbound", 15_001);
		if (plan.outboundPorts.length > 0)
			rules.push(`meta nfproto ipv${family} tcp dport ${ports(plan.outboundPorts)} ${redirect}`);
		if (plan.outboundRanges === "all") rules.push(`meta nfproto ipv${family} meta l4proto tcp ${redirect}`);
	}
	if (plan.outboundRanges !== "all")
		for (const range of plan.outboundRanges)
			rules.push(`${daddr(cidrFamilyOf(range))} ${range} meta l4proto tcp ${taken(plan, "outbound", 15_001)}`);
	return chain("outbound", "type nat hook output priority -100", rules);
}

/** Where TPROXY needs root, as in a container, Envoy has the proxies' group alone. */
function ownerMatch({ inbound }: RedirectPlan): string {
	return inbound === "TPROXY" ? "meta skgid" : "meta skuid";
}

function tproxyChain(plan: RedirectPlan, firstRules: readonly string[]): readonly string[] {
	const rules = [...firstRules, ...inboundReturns(plan)];
	if (plan.lease) {
		for (const family of plan.families)
			rules.push(`meta nfproto ipv${family} ${inboundMatch(plan)} fib daddr type local jump inbound_path`);
		return chain("inbound", "type filter hook prerouting priority mangle", rules);
	}
	// The mark comes after tproxy: that statement ends the rule when no socket listens, and the packet goes on as it was.
	for (const family of plan.families)
		rules.push(
			`meta nfproto ipv${family} ${inboundMatch(plan)} fib daddr type local tproxy ${family === 4 ? "ip" : "ip6"} to :15006 ct mark set ${markText} accept`,
		);
	rules.push(...refusals(plan));
	return chain("inbound", "type filter hook prerouting priority mangle", rules);
}

/** What a rule does with a connection that is caught. */
function taken(plan: RedirectPlan, path: "outbound" | "self", port: number): string {
	return plan.lease ? `jump ${path}_path` : `ct mark set ${markText} redirect to :${port}`;
}

/** The lease's sets, its heartbeat, and a chain for each way that a connection comes in or out. */
function pathLines(plan: RedirectPlan, path: PathState): readonly string[] {
	if (!plan.lease) return [];
	const direct = plaintextMatch(plan);
	const inner = (name: string, rules: readonly string[]): readonly string[] => [
		`\tchain ${name} {`,
		...rules.map((rule) => `\t\t${rule}`),
		"\t}",
	];
	return [
		...leaseLines(plan.lease, `${ownerMatch(plan)} ${proxyUid}`, path),
		...inner("outbound_path", redirectedPath(outboundPortsOfProxies, "")),
		...inner("self_path", redirectedPath(inboundPortsOfProxies, direct)),
		...(plan.inbound === "TPROXY"
			? inner("inbound_path", transparentPath(inboundPortsOfProxies, plan.families, direct))
			: []),
	];
}

/** Ports where the application may be reached without a proxy: empty for all, undefined for none. */
function plaintextMatch({ plaintext: { others, except } }: RedirectPlan): string | undefined {
	if (except.length === 0) return others ? "" : undefined;
	return `tcp dport ${others ? "!= " : ""}${ports(except.map((port) => ({ first: port, last: port })))} `;
}

/** For inbound connections that no Envoy has taken, on ports where plaintext must not reach the application. */
function refusals(plan: RedirectPlan): readonly string[] {
	const { others, except } = plan.plaintext;
	if (plan.inbound === "NONE" || (others && except.length === 0)) return [];
	const exceptions = ports(except.map((port) => ({ first: port, last: port })));
	const closed = except.length === 0 ? "" : others ? `tcp dport ${exceptions} ` : `tcp dport != ${exceptions} `;
	return plan.families.map(
		(family) => `meta nfproto ipv${family} ${inboundMatch(plan)} ${closed}fib daddr type local reject with tcp reset`,
	);
}

function redirectChain(plan: RedirectPlan, firstRules: readonly string[]): readonly string[] {
	const rules = [...firstRules, ...inboundReturns(plan)];
	for (const family of plan.families)
		rules.push(`meta nfproto ipv${family} ${inboundMatch(plan)} fib daddr type local ${taken(plan, "self", 15_006)}`);
	return chain("inbound", "type nat hook prerouting priority dstnat", rules);
}

function inboundReturns(plan: RedirectPlan): readonly string[] {
	return [
		"meta l4proto != tcp return",
		'iifname "lo" return',
		"ct direction reply return",
		...(plan.excludedInterfaces.length > 0 ? [`iifname ${names(plan.excludedInterfaces)} return`] : []),
		`tcp dport ${ports([...ownPorts, ...plan.inboundExcludedPorts])} return`,
	];
}

function inboundMatch(plan: RedirectPlan): string {
	if (plan.inboundPorts === "all") return "meta l4proto tcp";
	// Port 0 is never used: an empty list means that nothing is caught.
	return `tcp dport ${plan.inboundPorts.length > 0 ? ports(plan.inboundPorts) : "{ 0 }"}`;
}

function chain(name: string, hook: string, rules: readonly string[]): readonly string[] {
	return [`\tchain ${name} {`, `\t\t${hook}; policy accept;`, ...rules.map((rule) => `\t\t${rule}`), "\t}"];
}

/** nftables refuses overlapping intervals, so ranges that touch are merged. */
function ports(ranges: readonly PortRange[]): string {
	const merged: PortRange[] = [];
	for (const range of [...ranges].sort((a, b) => a.first - b.first)) {
		const last = merged.at(-1);
		if (last && range.first <= last.last + 1)
			merged[merged.length - 1] = { first: last.first, last: Math.max(last.last, range.last) };
		else merged.push(range);
	}
	return `{ ${merged.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(", ")} }`;
}

function names(values: readonly string[]): string {
	return `{ ${[...new Set(values)].map((value) => `"${value}"`).join(", ")} }`;
}

const markText = `0x${redirectMark.toString(16)}`;
const saddr = (family: IpFamily | undefined): string => (family === 6 ? "ip6 saddr" : "ip saddr");
const daddr = (family: IpFamily | undefined): string => (family === 6 ? "ip6 daddr" : "ip daddr");

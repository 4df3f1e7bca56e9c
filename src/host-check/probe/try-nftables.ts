// What nftables of this kernel can do, and what chains there are. In: nothing. Out: one answer for each trial. The rule sets go
// to the kernel with `nft --check`, which takes them back before they are in force.

import { runCommand } from "../../kernel/run-command.ts";
import { type ForeignChain, type Trial, type TrialName, trialNames } from "../host-facts.ts";

const keys = "type ipv4_addr . inet_proto . inet_service";

const endpoints =
	"map endpoints { typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport; }";

/** Without comments and one statement a line, as nft reads it. */
const parts: Readonly<Record<TrialName, readonly string[]>> = {
	maps: [
		`map services { ${keys} : verdict; }`,
		"map ports { type inet_proto . inet_service : verdict; }",
		"chain first { type nat hook prerouting priority dstnat",
		"ip daddr . meta l4proto . th dport vmap @services",
		"meta l4proto . th dport vmap @ports",
		"}",
	],
	numgen: [
		endpoints,
		"chain pick {",
		"meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 3 map @endpoints",
		"}",
	],
	jhash: [
		endpoints,
		"chain pick {",
		"meta l4proto { tcp, udp, sctp } dnat ip to ip daddr . meta l4proto . th dport . jhash ip saddr . th sport mod 251 seed 0x1 map @endpoints",
		"}",
	],
	reject: [
		"chain guard { type filter hook prerouting priority -110",
		"ct state new tcp dport 1 reject with tcp reset",
		"reject",
		"}",
	],
	"dynamic-set": [
		"set clients { type ipv4_addr; flags dynamic, timeout; timeout 3h; size 65535; }",
		"chain affinity {",
		"update @clients { ip saddr }",
		"ip saddr @clients accept",
		"}",
	],
	guard: [
		`set sources { ${keys} . ipv4_addr; flags interval; elements = { 192.0.2.1 . tcp . 80 . 10.0.0.0/8 }; }`,
		"chain ranges {",
		"ip daddr . meta l4proto . th dport . ip saddr @sources accept",
		"drop",
		"}",
	],
};

/** One that is not in the answer is not known: nft is not there, may not be used, or does not know the words itself. */
export async function tryNftables(): Promise<ReadonlyMap<TrialName, Trial>> {
	const trials = new Map<TrialName, Trial>();
	const all = await check(trialNames.map((name) => tableOf(name)).join("\n"));
	if (all.code === 127 || /Operation not permitted/.test(all.stderr)) return trials;
	for (const name of trialNames) {
		const { code, stderr } = all.code === 0 ? all : await check(tableOf(name));
		const refusal = /Could not process rule: (.*)/.exec(stderr)?.[1];
		if (code === 0) trials.set(name, { ok: true });
		else if (refusal !== undefined) trials.set(name, { ok: false, because: refusal });
	}
	return trials;
}

const check = (text: string) => runCommand("nft", ["--check", "--file", "-"], { input: text });

const tableOf = (name: TrialName): string => `table ip keepmesh-trial-${name} {\n${parts[name].join("\n")}\n}\n`;

/** Undefined when nft cannot tell. */
export async function readChains(): Promise<readonly ForeignChain[] | undefined> {
	const { code, stdout } = await runCommand("nft", ["--json", "list", "chains"]);
	if (code !== 0) return undefined;
	const listed = JSON.parse(stdout) as { readonly nftables?: readonly { readonly chain?: ForeignChain }[] };
	return (listed.nftables ?? []).flatMap(({ chain }) => (chain ? [chain] : []));
}

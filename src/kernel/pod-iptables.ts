// The iptables rules and policy routes of a network namespace. In: its path. Out: what iptables-save and ip print, for both
// families and for both places where the kernel keeps such rules (nf_tables and ip_tables); or why not.

import { type CommandResult, runCommand } from "./run-command.ts";

export type IptablesBackend = "nft" | "legacy";

export interface RuleSource {
	readonly backend: IptablesBackend;
	readonly family: 4 | 6;
}

export interface PodRules extends RuleSource {
	/** As iptables-save prints it; empty when there are none. */
	readonly text: string;
}

export interface PodRouting {
	readonly family: 4 | 6;
	/** As `ip rule` prints them, `32765:\tfrom all fwmark 0x539 lookup 133`. */
	readonly rules: readonly string[];
}

export interface IptablesFailure {
	readonly ok: false;
	readonly message: string;
	readonly hint: string;
}

const sources: readonly RuleSource[] = [
	{ backend: "nft", family: 4 },
	{ backend: "nft", family: 6 },
	{ backend: "legacy", family: 4 },
	{ backend: "legacy", family: 6 },
];

/** `ip6tables-legacy-save`. */
const programOf = ({ backend, family }: RuleSource, action: "save" | "restore"): string =>
	`${family === 6 ? "ip6tables" : "iptables"}-${backend}-${action}`;

/** A program that is not installed is passed over, unless none is. */
export async function readPodRules(
	netns: string,
): Promise<{ readonly ok: true; readonly rules: readonly PodRules[] } | IptablesFailure> {
	const rules: PodRules[] = [];
	for (const source of sources) {
		const program = programOf(source, "save");
		const result = await inside(netns, [program]);
		if (result.code === 127) continue;
		if (result.code !== 0) return failure(program, result);
		rules.push({ ...source, text: result.stdout });
	}
	if (rules.length > 0) return { ok: true, rules };
	return {
		ok: false,
		message: "neither iptables-nft-save nor iptables-legacy-save is installed",
		hint: "apt-get install -y iptables",
	};
}

/** `text` changes only what it names. */
export async function loadPodRules(
	netns: string,
	source: RuleSource,
	text: string,
): Promise<{ readonly ok: true } | IptablesFailure> {
	const program = programOf(source, "restore");
	const result = await inside(netns, [program, "-w", "5", "--noflush"], text);
	return result.code === 0 ? { ok: true } : failure(program, result);
}

export async function readPodRouting(netns: string): Promise<readonly PodRouting[]> {
	const families = [4, 6] as const;
	return await Promise.all(
		families.map(async (family) => {
			const { stdout } = await inside(netns, ["ip", `-${family}`, "rule", "show"]);
			return { family, rules: lines(stdout) };
		}),
	);
}

/** The routes of one table, as `ip route` prints them. */
export async function readPodRoutes(netns: string, family: 4 | 6, table: string): Promise<readonly string[]> {
	return lines((await inside(netns, ["ip", `-${family}`, "route", "show", "table", table])).stdout);
}

/** `order`: the words behind `ip -4`, `route add local default dev lo table 133`. */
export async function orderPodRouting(
	netns: string,
	family: 4 | 6,
	order: string,
): Promise<{ readonly ok: true } | IptablesFailure> {
	const result = await inside(netns, ["ip", `-${family}`, ...order.split(/\s+/)]);
	return result.code === 0 ? { ok: true } : failure(`ip -${family} ${order}`, result);
}

const lines = (text: string): readonly string[] =>
	text
		.split("\n")
		.map((line) => line.trim())
		.filter((line) => line !== "");

const inside = (netns: string, command: readonly string[], input = ""): Promise<CommandResult> =>
	runCommand("nsenter", [`--net=${netns}`, "--", ...command], { input });

function failure(what: string, { stderr }: CommandResult): IptablesFailure {
	const message = stderr.trim().split("\n").slice(0, 3).join("; ");
	return { ok: false, message: `${what}: ${message}`, hint: `nsenter --net=PATH ${what.split(" ")[0]} --version` };
}

// keepmesh proxy-config: what one proxy has, by type. Asks the Envoy itself in a running lab or with --admin; elsewhere shows
// what the control plane sent it. Says on stderr which of the two it is.

import { Argument, Command, Option } from "commander";
import type { RunningPod } from "../../lab/lab.ts";
import type { ProxyItem } from "../api/api-types.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { askAll, askReplica } from "./control-plane-client.ts";
import { bootstrapOfDump, camelCased, type EnvoyDump, sectionsOfDump } from "./envoy-dump.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { dumpInPod, dumpPath, podsOfLab } from "./lab-pods.ts";
import { mergeProxies } from "./merge-replicas.ts";
import { proxyTable } from "./proxy-config-table.ts";
import { isProxy } from "./proxy-status-command.ts";
import { print, printJson, say } from "./terminal.ts";

interface ProxyConfigOptions extends ApiOption {
	readonly admin?: string;
	readonly output: "table" | "json" | "yaml";
}

const sections = ["listeners", "routes", "clusters", "endpoints", "secrets", "bootstrap", "all"] as const;
type Section = (typeof sections)[number];

export type SectionJson = Readonly<Record<string, readonly Readonly<Record<string, unknown>>[]>>;

export function proxyConfigCommand(): Command {
	return withApiOption(new Command("proxy-config"))
		.alias("pc")
		.description("Shows what one proxy has: as its Envoy says in a lab, elsewhere as the control plane sent it.")
		.addArgument(new Argument("<type>").choices(sections).argParser(sectionNamed))
		.argument("<proxy>", "name or id: reviews-v1-abc.default")
		.option("--admin <url>", "ask the Envoy itself, at its admin address, http://127.0.0.1:15000")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json", "yaml"]).default("table"))
		.action(showConfig);
}

async function showConfig(section: Section, proxy: string, options: ProxyConfigOptions): Promise<void> {
	if (options.admin) return await printDump(await dumpAt(options.admin), section, options);
	const found = await podOfLab(proxy, options);
	if (found) {
		try {
			const dump = await dumpInPod(found.pod);
			say(`as the Envoy of ${found.pod.name}.${found.pod.namespace} has it (lab ${found.lab})`);
			return await printDump(dump, section, options);
		} catch (error) {
			say(`the Envoy of ${found.pod.name} does not answer: ${error instanceof Error ? error.message : String(error)}`);
		}
	}
	if (section === "bootstrap") {
		throw new CliError(
			exitCodes.usage,
			"the bootstrap is known to the Envoy alone: give its admin address",
			`keepmesh proxy-config ${section} ${proxy} --admin http://127.0.0.1:15000`,
		);
	}
	await showWhatWasSent(section, proxy, options);
}

async function showWhatWasSent(section: Section, proxy: string, options: ProxyConfigOptions): Promise<void> {
	const answers = await askAll<{ items: readonly ProxyItem[] }>(options, "/api/v1/proxies");
	const found = mergeProxies(answers.map(({ answer }) => answer.items)).filter((item) => isProxy(item, proxy));
	const [first, second] = found;
	if (!first) throw new CliError(exitCodes.failure, `no proxy "${proxy}" is connected`, "keepmesh proxy-status");
	if (second) {
		const names = found.map((item) => item.name).join(", ");
		throw new CliError(exitCodes.usage, `"${proxy}" may be ${names}`, `keepmesh proxy-config ${section} ${first.name}`);
	}
	const holder = answers.find(({ answer }) =>
		answer.items.some((item) => item.id === first.id && item.connectedMs === first.connectedMs),
	);
	if (!holder) throw new Error(`nobody holds ${first.id}`);
	const query = new URLSearchParams({ proxy: first.id, ...(section === "all" ? {} : { type: section }) });
	const answer = await askReplica<Record<string, unknown>>(holder.replica, `/api/v1/config?${query}`);
	const { proxy: _, withheld, ...config } = answer;
	say(`as the control plane ${first.control} sent it to ${first.name}`);
	if (withheld)
		say(`the newest configuration is withheld, this is the last good one: keepmesh proxy-status ${first.name}`);
	await printConfig(config as SectionJson, section, options);
}

async function printConfig(config: SectionJson, section: Section, options: ProxyConfigOptions): Promise<void> {
	if (options.output !== "table") return await printData(section === "all" ? config : (config[section] ?? []), options);
	const shown = Object.entries(config).filter(([type]) => section === "all" || type === section);
	print(shown.map(([type, items]) => proxyTable(type, items)).join("\n\n"));
}

async function printDump(dump: EnvoyDump, section: Section, options: ProxyConfigOptions): Promise<void> {
	const config = sectionsOfDump(dump);
	const bootstrap = bootstrapOfDump(dump);
	if (section === "bootstrap") return await printData(bootstrap, options);
	if (section === "all" && options.output !== "table") return await printData({ bootstrap, ...config }, options);
	await printConfig(
		options.output === "table" ? (camelCased(config) as SectionJson) : (config as SectionJson),
		section,
		options,
	);
}

async function printData(value: unknown, options: ProxyConfigOptions): Promise<void> {
	if (options.output === "yaml") print((await import("yaml")).stringify(value, { aliasDuplicateObjects: false }));
	else printJson(value);
}

async function dumpAt(admin: string): Promise<EnvoyDump> {
	try {
		const response = await fetch(new URL(dumpPath, admin), { signal: AbortSignal.timeout(10_000) });
		return (await response.json()) as EnvoyDump;
	} catch (error) {
		const reason = error instanceof Error ? error.message : String(error);
		throw new CliError(exitCodes.unavailable, `no Envoy answers at ${admin}: ${reason}`, "keepmesh proxy-status");
	}
}

/** A running lab's pod of that name, when this user may enter its namespace. */
async function podOfLab(
	proxy: string,
	options: ProxyConfigOptions,
): Promise<{ readonly lab: string; readonly pod: RunningPod } | undefined> {
	const lab = await podsOfLab(options);
	if (!lab) return undefined;
	// By id (type~address~name.namespace~domain), by name with its namespace, or by name alone.
	const wanted = proxy.split("~")[2] ?? proxy;
	const found = lab.pods.filter(
		(pod) => pod.proxy !== "none" && [pod.name, `${pod.name}.${pod.namespace}`].includes(wanted),
	);
	const [pod] = found;
	return pod && found.length === 1 ? { lab: lab.record.name, pod } : undefined;
}

/** istioctl's words are singular. */
function sectionNamed(text: string): Section {
	const found = sections.find((section) => section === text || section === `${text}s`);
	if (found) return found;
	throw new CliError(exitCodes.usage, `there is no "${text}"`, `keepmesh proxy-config ${sections[0]} PROXY`);
}

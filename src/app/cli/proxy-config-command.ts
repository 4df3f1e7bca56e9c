// keepmesh proxy-config: what the control plane has sent one proxy, by type; --envoy asks the proxy itself instead.

import { Argument, Command, Option } from "commander";
import type { ProxyItem } from "../api/api-types.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type ApiOption, callApi, withApiOption } from "./control-plane-client.ts";
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
		.description("Shows the configuration of one proxy, as the control plane sent it.")
		.addArgument(new Argument("<type>").choices(sections).argParser(sectionNamed))
		.argument("<proxy>", "name or id: reviews-v1-abc.default")
		.option("--admin <url>", "ask the Envoy itself, at its admin address, http://127.0.0.1:15000")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["table", "json", "yaml"]).default("table"))
		.action(showConfig);
}

async function showConfig(section: Section, proxy: string, options: ProxyConfigOptions): Promise<void> {
	if (options.admin || section === "bootstrap") return await showFromEnvoy(section, proxy, options);
	const { items } = await callApi<{ items: readonly ProxyItem[] }>(options, "/api/v1/proxies");
	const found = items.filter((item) => isProxy(item, proxy));
	const [first, second] = found;
	if (!first) throw new CliError(exitCodes.failure, `no proxy "${proxy}" is connected`, "keepmesh proxy-status");
	if (second) {
		const names = found.map((item) => item.name).join(", ");
		throw new CliError(exitCodes.usage, `"${proxy}" may be ${names}`, `keepmesh proxy-config ${section} ${first.name}`);
	}
	const query = new URLSearchParams({ proxy: first.id, ...(section === "all" ? {} : { type: section }) });
	const { proxy: _, withheld, ...config } = await callApi<Record<string, unknown>>(options, `/api/v1/config?${query}`);
	if (withheld)
		say(`the newest configuration is withheld, this is the last good one: keepmesh proxy-status ${first.name}`);
	await printConfig(config as SectionJson, section, options);
}

async function printConfig(config: SectionJson, section: Section, options: ProxyConfigOptions): Promise<void> {
	const shown = section === "all" ? config : (config[section] ?? []);
	if (options.output === "json") printJson(shown);
	else if (options.output === "yaml") print((await import("yaml")).stringify(shown, { aliasDuplicateObjects: false }));
	else for (const table of Object.entries(config).map(([type, items]) => proxyTable(type, items))) print(table);
}

async function showFromEnvoy(section: Section, proxy: string, options: ProxyConfigOptions): Promise<void> {
	if (!options.admin) {
		throw new CliError(
			exitCodes.usage,
			"the bootstrap is known to the Envoy alone: give its admin address",
			`keepmesh proxy-config ${section} ${proxy} --admin http://127.0.0.1:15000`,
		);
	}
	let dump: { readonly configs: readonly Readonly<Record<string, unknown>>[] };
	try {
		const response = await fetch(new URL("/config_dump?include_eds", options.admin), {
			signal: AbortSignal.timeout(10_000),
		});
		dump = (await response.json()) as typeof dump;
	} catch (error) {
		const reason = error instanceof Error ? error.message : String(error);
		throw new CliError(
			exitCodes.unavailable,
			`no Envoy answers at ${options.admin}: ${reason}`,
			"keepmesh proxy-status",
		);
	}
	const names: Readonly<Record<Section, string>> = {
		listeners: "ListenersConfigDump",
		routes: "RoutesConfigDump",
		clusters: "ClustersConfigDump",
		endpoints: "EndpointsConfigDump",
		secrets: "SecretsConfigDump",
		bootstrap: "BootstrapConfigDump",
		all: "Dump",
	};
	const configs = dump.configs.filter((config) => String(config["@type"]).endsWith(names[section]));
	if (options.output === "yaml") print((await import("yaml")).stringify(configs, { aliasDuplicateObjects: false }));
	else printJson(section === "all" ? dump : configs);
}

/** istioctl's words are singular. */
function sectionNamed(text: string): Section {
	const found = sections.find((section) => section === text || section === `${text}s`);
	if (found) return found;
	throw new CliError(exitCodes.usage, `there is no "${text}"`, `keepmesh proxy-config ${sections[0]} PROXY`);
}

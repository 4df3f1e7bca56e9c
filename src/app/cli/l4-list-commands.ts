// keepmesh l4 services and backends: what layer 4 balances, and who answers with which share.

import { Command, Option } from "commander";
import { layer4Key } from "../../l4/layer4-service.ts";
import type { ServiceStatus } from "../../node/layer4/layer4-status.ts";
import { nearestName } from "../../resources/text/nearest-name.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { backendRows, renderBackends, renderServices } from "./l4-rows.ts";
import { type Layer4Source, readSource, type SourceFlags, withSourceFlags } from "./l4-source.ts";
import { print, printJson, say } from "./terminal.ts";

export interface ListFlags extends SourceFlags {
	readonly namespace?: string;
	readonly allNamespaces: boolean;
	readonly output: "table" | "wide" | "json" | "yaml";
}

export function l4ServicesCommand(): Command {
	return listCommand("services", "Lists the Services that layer 4 balances, seen from one node.").action(
		async (name: string | undefined, flags: ListFlags) => {
			const source = await readSource(flags);
			const services = chosen(source, name, flags);
			if (flags.output === "json" || flags.output === "yaml")
				return printData(flags.output, { node: source.node, backend: source.backend, services });
			if (services.length === 0) say(nothingFound(flags));
			else print(renderServices(services, { ...flags, wide: flags.output === "wide" }));
			sayState(source);
		},
	);
}

export function l4BackendsCommand(): Command {
	return listCommand("backends", "Lists who answers for each address and port, and with which share.").action(
		async (name: string | undefined, flags: ListFlags) => {
			const source = await readSource(flags);
			const rows = backendRows(chosen(source, name, flags));
			if (flags.output === "json" || flags.output === "yaml") return printData(flags.output, rows);
			if (rows.length === 0) say(nothingFound(flags));
			else print(renderBackends(rows, { ...flags, wide: flags.output === "wide" }));
			sayState(source);
		},
	);
}

function listCommand(name: string, description: string): Command {
	return withSourceFlags(
		new Command(name)
			.description(description)
			.argument("[service]", "one Service: NAME, NAME.NAMESPACE or NAMESPACE/NAME")
			.option("-n, --namespace <name>", "of one namespace (default: default)")
			.option("-A, --all-namespaces", "of all", false)
			.addOption(
				new Option("-o, --output <format>", "how to print").choices(["table", "wide", "json", "yaml"]).default("table"),
			),
	);
}

/** Those of the namespace, or the one that is named; a name that is not there is an error with the nearest one. */
export function chosen(
	source: Layer4Source,
	name: string | undefined,
	flags: { readonly namespace?: string; readonly allNamespaces?: boolean },
): readonly ServiceStatus[] {
	const namespace = flags.namespace ?? "default";
	if (name === undefined)
		return source.services.filter(({ service }) => flags.allNamespaces || service.namespace === namespace);
	const key = serviceKeyOf(name, namespace);
	const found = source.services.find(({ service }) => layer4Key(service) === key);
	if (found) return [found];
	const nearest = nearestName(
		key,
		source.services.map(({ service }) => layer4Key(service)),
	);
	throw new CliError(
		exitCodes.unavailable,
		`no Service ${key} is balanced here; headless ones and ExternalName have no rules`,
		nearest ? `keepmesh l4 services ${nearest}` : "keepmesh l4 services -A",
	);
}

/** NAME, NAME.NAMESPACE[.svc...] or NAMESPACE/NAME. */
export function serviceKeyOf(name: string, namespace: string): string {
	if (name.includes("/")) return name;
	const [service = name, given] = name.split(".");
	return `${given ?? namespace}/${service}`;
}

async function printData(format: "json" | "yaml", value: unknown): Promise<void> {
	if (format === "json") {
		printJson(value);
		return;
	}
	const { stringify } = await import("yaml");
	print(stringify(value, { aliasDuplicateObjects: false }));
}

function nothingFound(flags: ListFlags): string {
	return flags.allNamespaces
		? "no Service is balanced here"
		: `no Service of namespace ${flags.namespace ?? "default"} is balanced here; -A shows all`;
}

/** What is wrong at a running node. */
function sayState({ status }: Layer4Source): void {
	if (!status) return;
	if (status.state === "waiting") say("the node waits for the first Services");
	if (status.state === "failed") say("the kernel refuses rules; the last good ones stay in force");
	for (const { about, because } of status.problems) say(`${about}: ${because}`);
}

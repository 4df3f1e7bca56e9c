// keepmesh get KIND [NAME]: resources and what became of them.

import { Command, Option } from "commander";
import type { ResourceItem, ResourceStatus, ServingItem } from "../api/api-types.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { askAll } from "./control-plane-client.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { kindList, kindNamed } from "./kind-names.ts";
import { mergeResources } from "./merge-replicas.ts";
import { fetchServing, nameOf, shortServing } from "./serving-text.ts";
import { paint, print, printJson, renderAge, renderTable, say } from "./terminal.ts";

interface GetOptions extends ApiOption {
	readonly namespace: string;
	readonly allNamespaces?: boolean;
	readonly selector?: string;
	readonly output: "table" | "wide" | "json" | "yaml" | "name";
}

export function getCommand(): Command {
	return withApiOption(new Command("get"))
		.description("Lists resources and what became of them: accepted, and applied on how many proxies.")
		.argument("<kind>", "virtualservice (vs), destinationrule (dr), service (svc), ... or all")
		.argument("[name]")
		.option("-n, --namespace <name>", "namespace", "default")
		.option("-A, --all-namespaces", "in all namespaces")
		.option("-l, --selector <labels>", "only with these labels, a=b,c=d")
		.addOption(
			new Option("-o, --output <format>", "how to print")
				.choices(["table", "wide", "json", "yaml", "name"])
				.default("table"),
		)
		.action(get);
}

async function get(kindText: string, nameText: string | undefined, options: GetOptions): Promise<void> {
	const [kindPart = "", slashName] = kindText.split("/");
	const name = nameText ?? slashName;
	const items = await fetchItems(kindPart, name, options);
	if (name !== undefined && items.length === 0) {
		throw new CliError(
			exitCodes.failure,
			`there is no ${kindPart} ${name} in namespace ${options.namespace}`,
			`keepmesh get ${kindPart} -A`,
		);
	}
	switch (options.output) {
		case "json":
			printJson(name === undefined ? listOf(items) : withStatus(items[0]));
			return;
		case "yaml": {
			const { stringify } = await import("yaml");
			print(items.map((item) => stringify(item.manifest)).join("---\n"));
			return;
		}
		case "name":
			for (const item of items) print(`${item.manifest.kind.toLowerCase()}/${item.manifest.metadata.name}`);
			return;
		default:
			if (items.length === 0)
				say(`no resources found${options.allNamespaces ? "" : ` in namespace ${options.namespace}`}`);
			else print(tableOf(items, options, await servingOf(items, options)));
	}
}

async function fetchItems(
	kindText: string,
	name: string | undefined,
	options: GetOptions,
): Promise<readonly ResourceItem[]> {
	const query = new URLSearchParams();
	if (kindText !== "all") query.set("kind", kindText.split(",").map(kindNamed).join(","));
	if (name !== undefined) query.set("name", name);
	if (!options.allNamespaces) query.set("namespace", options.namespace);
	if (options.selector) query.set("labels", options.selector);
	return await resourcesOf(options, query);
}

/** As all control planes together know them. */
export async function resourcesOf(options: ApiOption, query: URLSearchParams): Promise<readonly ResourceItem[]> {
	const answers = await askAll<{ items: readonly ResourceItem[] }>(options, `/api/v1/resources?${query}`);
	return mergeResources(answers.map(({ answer }) => answer.items));
}

/** By namespace and name; empty unless all are pods, and some have a hot-switch. */
async function servingOf(
	items: readonly ResourceItem[],
	options: GetOptions,
): Promise<ReadonlyMap<string, ServingItem>> {
	if (!items.every(({ manifest }) => manifest.kind === "Pod")) return new Map();
	const which = options.allNamespaces ? {} : { namespace: options.namespace };
	const known = (await fetchServing(options, which)).filter(({ serving }) => serving);
	return new Map(known.map((item) => [nameOf(item), item]));
}

function tableOf(
	items: readonly ResourceItem[],
	options: GetOptions,
	serving: ReadonlyMap<string, ServingItem>,
): string {
	const severalKinds = new Set(items.map((item) => item.manifest.kind)).size > 1;
	const wide = options.output === "wide";
	const header = [
		...(options.allNamespaces ? ["NAMESPACE"] : []),
		"NAME",
		...(serving.size > 0 ? ["SERVED"] : []),
		"ACCEPTED",
		"APPLIED",
		"REJECTED",
		"AGE",
		...(wide && serving.size > 0 ? ["BECAUSE"] : []),
		...(wide ? ["FILE", "MESSAGE"] : []),
	];
	const rows = items.map((item) => {
		const { metadata, kind } = item.manifest;
		const { status } = item;
		const served = serving.get(`${metadata.namespace ?? ""}/${metadata.name}`);
		return [
			...(options.allNamespaces ? [metadata.namespace ?? ""] : []),
			severalKinds ? `${kind.toLowerCase()}/${metadata.name}` : metadata.name,
			...(serving.size > 0 ? [served ? shortServing(served, Date.now()) : "-"] : []),
			status.accepted ? "yes" : "no",
			appliedText(status),
			status.proxies ? String(status.proxies.rejected.length) : "-",
			metadata.creationTimestamp ? renderAge(Date.now() - Date.parse(metadata.creationTimestamp)) : "-",
			...(wide && serving.size > 0 ? [served?.serving?.because ?? "-"] : []),
			...(wide ? [`${item.origin.file}:${item.origin.line}`, messageOf(status)] : []),
		];
	});
	return wide ? renderTable(header, rows, Number.POSITIVE_INFINITY) : renderTable(header, rows);
}

/** `3 of 4` proxies. */
export function appliedText(status: ResourceStatus): string {
	return status.proxies ? `${status.proxies.applied} of ${status.proxies.concerned}` : "-";
}

export function messageOf(status: ResourceStatus): string {
	const problem = status.problems.find((candidate) => candidate.severity === "error") ?? status.problems[0];
	const rejection = status.proxies?.rejected[0];
	if (rejection) return paint("red", `${rejection.proxy}: ${rejection.message}`);
	return problem ? `${problem.path === "" ? "" : `${problem.path}: `}${problem.message}` : "";
}

function withStatus(item: ResourceItem | undefined): unknown {
	return item ? { ...item.manifest, status: item.status, origin: item.origin } : undefined;
}

function listOf(items: readonly ResourceItem[]): unknown {
	return { apiVersion: "v1", kind: "List", items: items.map(withStatus) };
}

/** Words that completion offers after `get`. */
export const getWords = ["all", ...kindList.map((kind) => kind.toLowerCase())];

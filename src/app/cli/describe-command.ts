// keepmesh describe: a resource with all that became of it; a service also with the rules and endpoints that apply to it;
// a pod, or what makes pods, also with the policies in force for it and the mutual TLS to the services that it calls.

import { Command } from "commander";
import type { Kind } from "../../resources/config-object.ts";
import type { Manifest, ResourceItem, ServingItem, WorkloadItem } from "../api/api-types.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { askAll, callApi } from "./control-plane-client.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { appliedText, resourcesOf } from "./get-command.ts";
import { kindNamed } from "./kind-names.ts";
import { mergeWorkloads } from "./merge-workloads.ts";
import { fetchServing, longServing, nameOf } from "./serving-text.ts";
import { paint, print, say } from "./terminal.ts";
import { workloadsText } from "./workload-text.ts";

interface DescribeOptions extends ApiOption {
	readonly namespace: string;
	readonly to?: string;
}

/** What has a proxy, or makes what has one. */
const workloadKinds: ReadonlySet<Kind> = new Set(["Pod", "Deployment", "WorkloadEntry"]);

export function describeCommand(): Command {
	return withApiOption(new Command("describe"))
		.description("Shows one resource: what applies to it, on which proxies it is in force, and why not.")
		.argument("<kind>", "service (svc), virtualservice (vs), pod, ...; or KIND/NAME")
		.argument("[name]")
		.option("-n, --namespace <name>", "namespace", "default")
		.option("--to <service>", "of a pod: what happens between it and this service, NAME or NAME.NAMESPACE")
		.action(describe);
}

async function describe(kindText: string, nameText: string | undefined, options: DescribeOptions): Promise<void> {
	const [kindPart = "", slashName] = kindText.split("/");
	const kind = kindNamed(kindPart);
	const name = nameText ?? slashName;
	if (name === undefined) throw new CliError(exitCodes.usage, "say which one", `keepmesh get ${kindPart}`);
	const isWorkload = workloadKinds.has(kind);
	if (options.to !== undefined && !isWorkload) {
		const message = `--to asks about a client, and a ${kindPart} is none`;
		throw new CliError(exitCodes.usage, message, `keepmesh describe pod NAME --to ${options.to}`);
	}
	const query = new URLSearchParams({ kind, namespace: options.namespace, name });
	const [item] = await resourcesOf(options, query);
	const serving = isWorkload ? await servingOf(options, name) : [];
	const workloads = isWorkload ? await workloadsOf(options, { name }) : [];
	if (!item && workloads.length === 0) {
		const message = `there is no ${kindPart} ${name} in namespace ${options.namespace}`;
		throw new CliError(exitCodes.failure, message, `keepmesh get ${kindPart} -A`);
	}
	if (options.to !== undefined) return printPair(name, options.to, workloads);
	const served = serving.map((one) => `Served:     ${nameOf(one)}: ${longServing(one, Date.now())}`);
	if (item) print(await headText(item, served));
	else for (const line of served) print(line);
	if (item && kind === "Service") {
		print(await serviceText(item.manifest, options));
		print(workloadSection(await workloadsOf(options, { service: name }), false));
	}
	if (isWorkload) print(workloadSection(workloads, true));
	if (item?.status.proxies?.rejected.length) say("next: keepmesh proxy-status");
}

/** Of the pod, or of the pods that the workload makes. */
async function servingOf(options: DescribeOptions, name: string): Promise<readonly ServingItem[]> {
	const all = await fetchServing(options, { namespace: options.namespace });
	const own = all.filter(({ pod }) => pod === name);
	return own.length > 0 ? own : all.filter(({ pod }) => pod.startsWith(`${name}-`)).slice(0, 20);
}

function workloadSection(workloads: readonly WorkloadItem[], outbound: boolean): string {
	if (workloads.length === 0) return "\nWorkloads:  none is known, so nothing can be said of policies";
	return `\n${workloadsText(workloads, { outbound })}`;
}

function printPair(name: string, to: string, workloads: readonly WorkloadItem[]): void {
	if (workloads.length > 0 && workloads.every((item) => item.outbound.length === 0)) {
		const message = `${name} may not call ${to}, or there is no such service`;
		throw new CliError(exitCodes.failure, message, "keepmesh get services -A");
	}
	print(workloadSection(workloads, true).trimStart());
}

/** As all control planes together know them. */
async function workloadsOf(
	options: DescribeOptions,
	which: { readonly name: string } | { readonly service: string },
): Promise<readonly WorkloadItem[]> {
	const { namespace, to } = options;
	const query = new URLSearchParams({ ...which, namespace, ...(to === undefined ? {} : { to }) });
	const answers = await askAll<{ items: readonly WorkloadItem[] }>(options, `/api/v1/workloads?${query}`);
	return mergeWorkloads(answers.map(({ answer }) => answer.items));
}

async function headText(item: ResourceItem, served: readonly string[]): Promise<string> {
	const { stringify } = await import("yaml");
	const { manifest, origin, status } = item;
	const lines = [
		`Name:       ${manifest.metadata.name}`,
		`Namespace:  ${manifest.metadata.namespace ?? "-"}`,
		`Kind:       ${manifest.kind} (${manifest.apiVersion})`,
		`File:       ${origin.file}:${origin.line}`,
		`Accepted:   ${status.accepted ? "yes" : paint("red", "no: the last good version is in force")}`,
		`Applied:    ${status.proxies ? `on ${appliedText(status)} proxies` : "-"}`,
		...served,
	];
	for (const { severity, path, message, hint } of status.problems) {
		lines.push(`  ${severity}: ${path === "" ? "" : `${path}: `}${message}`, ...(hint === "" ? [] : [`    ${hint}`]));
	}
	for (const { proxy, type, message } of status.proxies?.rejected ?? []) {
		lines.push(`  rejected by ${proxy} (${type}): ${paint("red", message)}`);
	}
	const { apiVersion: _a, kind: _k, metadata: _m, ...body } = manifest;
	if (Object.keys(body).length > 0) lines.push("", stringify(body).trimEnd());
	return lines.join("\n");
}

async function serviceText(service: Manifest, options: DescribeOptions): Promise<string> {
	const { name, namespace = "default" } = service.metadata;
	const query = new URLSearchParams({ kind: "VirtualService,DestinationRule" });
	const items = await resourcesOf(options, query);
	const names = new Set([`${name}.${namespace}`, `${name}.${namespace}.svc.cluster.local`]);
	const rules = items.filter(({ manifest }) => {
		const spec = (manifest.spec ?? {}) as { readonly hosts?: readonly string[]; readonly host?: string };
		const isNear = (manifest.metadata.namespace ?? "default") === namespace;
		return [...(spec.hosts ?? []), spec.host ?? ""].some((host) => names.has(host) || (isNear && host === name));
	});
	const endpoints = await callApi<
		readonly {
			readonly service: string;
			readonly ports: readonly {
				readonly port: number;
				readonly endpoints: readonly {
					readonly address: string;
					readonly health: string;
					readonly workload: string;
					readonly servingStep?: string;
				}[];
			}[];
		}[]
	>(options, "/debug/endpointz");
	const own = endpoints.find(
		(entry) => entry.service.split("/")[1] === namespace && names.has(entry.service.split("/")[0] ?? ""),
	);
	const lines = ["", "Rules:"];
	for (const { manifest, status } of rules) {
		lines.push(
			`  ${manifest.kind} ${manifest.metadata.namespace}/${manifest.metadata.name}, applied on ${appliedText(status)}`,
		);
	}
	if (rules.length === 0) lines.push("  none: requests are spread over all endpoints");
	lines.push("Endpoints:");
	for (const port of own?.ports ?? []) {
		for (const { address, health, servingStep, workload } of port.endpoints)
			lines.push(`  ${port.port} -> ${address} ${health}${servingStep ? ` (${servingStep})` : ""} ${workload}`);
	}
	if (!own?.ports.some((port) => port.endpoints.length > 0)) lines.push("  none");
	return lines.join("\n");
}

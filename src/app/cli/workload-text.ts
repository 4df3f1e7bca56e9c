// What is in force for workloads, as text: connections that they take, policies and tokens, and what they send to whom.

import type { MtlsPath } from "../../policy/effective-mtls.ts";
import { labelOfKey } from "../../sources/files/file-ledger.ts";
import type { WorkloadItem } from "../api/api-types.ts";
import { paint, renderTable } from "./terminal.ts";

const maxNames = 3;
const maxItems = 5;

/** `parts`: with or without what they send. */
export function workloadsText(items: readonly WorkloadItem[], parts: { readonly outbound: boolean }): string {
	const shown = items.slice(0, maxItems).map((item) => workloadText(item, parts.outbound));
	const left = items.slice(maxItems).flatMap((item) => item.names);
	if (left.length > 0)
		shown.push(`and ${left.length} more workloads under other rules: keepmesh describe pod ${left[0]}`);
	return shown.join("\n\n");
}

function workloadText(item: WorkloadItem, withOutbound: boolean): string {
	const sections = [
		`Workload:   ${namesText(item)}`,
		`Proxy:      ${proxyText(item)}`,
		...(item.type === "sidecar" ? ["Inbound:", inboundText(item)] : []),
		"Policies:",
		policiesText(item),
		...(withOutbound ? ["Outbound:", outboundText(item)] : []),
	];
	return sections.join("\n");
}

function namesText({ names, namespace }: WorkloadItem): string {
	const more = names.length - maxNames;
	return `${names.slice(0, maxNames).join(", ")}${more > 0 ? ` and ${more} more` : ""} in namespace ${namespace}`;
}

function proxyText({ proxy, certificate }: WorkloadItem): string {
	if (proxy === "none") return "none: its application speaks for itself, and no policy protects it";
	const keys = certificate
		? "with a certificate"
		: paint("yellow", "without a certificate: it cannot speak mutual TLS");
	return proxy === "connected" ? `connected, ${keys}` : paint("yellow", "not connected to any control plane");
}

function inboundText({ inbound }: WorkloadItem): string {
	if (inbound.length === 0) return "  no service leads to it";
	const rows = inbound.map(({ port, protocol, service, accepts, by }) => [
		String(port),
		protocol,
		service ?? "-",
		accepts ?? "plaintext",
		accepts === undefined ? "no proxy" : by === undefined ? "default" : labelOfKey(by),
	]);
	return indented(renderTable(["PORT", "PROTOCOL", "SERVICE", "MUTUAL TLS", "BY"], rows));
}

function policiesText({ policies, tokens, type, proxy }: WorkloadItem): string {
	const lines = policies.map(({ source, action, provider, dryRun, rules }) => {
		const meaning = rules > 0 ? `${rules} ${rules === 1 ? "rule" : "rules"}` : nothing[action];
		const who = provider === undefined ? "" : ` (asks ${provider})`;
		return `  ${labelOfKey(source)}: ${action}${who}, ${meaning}${dryRun ? "; dry run: it decides nothing" : ""}`;
	});
	for (const { source, issuer, hasKeys } of tokens) {
		const keys = hasKeys ? "" : paint("red", "; no keys yet: they are refused");
		lines.push(`  ${labelOfKey(source)}: tokens of ${issuer}${keys}`);
	}
	if (lines.length > 0) return lines.join("\n");
	return proxy === "none" ? "  none" : `  none: everybody may call ${type === "router" ? "through it" : "it"}`;
}

const nothing = {
	ALLOW: "no rules: it allows nothing",
	DENY: "no rules: it denies nothing",
	AUDIT: "no rules: it audits nothing",
	CUSTOM: "no rules: it asks about nothing",
} as const;

function outboundText({ outbound, servicesLeftOut }: WorkloadItem): string {
	const rows = outbound.flatMap(({ service, port, paths }) => {
		const name = `${service}:${port}`;
		if (paths.length === 0) return [[name, "-", "-", "-", "it has no endpoints"]];
		return paths.map((path) => [
			path.subset === undefined ? name : `${name} subset ${path.subset}`,
			path.clientSends,
			path.serverAccepts,
			path.works ? "yes" : "NO",
			becauseText(path),
		]);
	});
	const table = renderTable(["SERVICE", "SENDS", "SERVER TAKES", "WORKS", "BECAUSE"], rows);
	const lines = rows.length === 0 ? ["no service that it may call"] : table.split("\n").map(painted);
	if (servicesLeftOut > 0) lines.push(`and ${servicesLeftOut} more services: --to NAME shows one`);
	return indented(lines.join("\n"));
}

/** Done after the columns are aligned, as colour has no width. */
function painted(line: string): string {
	return / {3}NO {3}/.test(line) ? paint("red", line) : line;
}

function becauseText({ because, endpoints }: MtlsPath): string {
	const reasons = because.map(({ says, sources }) =>
		sources.length === 0 ? says : `${says} (${sources.map(labelOfKey).join(", ")})`,
	);
	return `${endpoints} ${endpoints === 1 ? "endpoint" : "endpoints"}: ${reasons.join("; ")}`;
}

function indented(text: string): string {
	return text
		.split("\n")
		.map((line) => `  ${line}`)
		.join("\n");
}

// keepmesh certs: every certificate of the mesh, from the Envoys themselves in a running lab, elsewhere as issued; with
// subcommands to rotate and to recover.

import { Command, Option } from "commander";
import type { CertificatesAnswer } from "../api/certificate-routes.ts";
import {
	authorityTable,
	type CertificateRow,
	cellsOf,
	issuersOf,
	namespaceOf,
	rowHeader,
	rowOfSecrets,
	rowsOfLedger,
	stateOf,
	wideHeader,
} from "./certificate-rows.ts";
import { recoverCommand } from "./certs-recover.ts";
import { rotateCommand, rotateLeafCommand } from "./certs-rotate.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { askAll } from "./control-plane-client.ts";
import { sectionsOfDump } from "./envoy-dump.ts";
import { type ApiOption, withApiOption } from "./find-control-planes.ts";
import { dumpInPod, podsOfLab } from "./lab-pods.ts";
import { isColourful, paint, print, printJson, renderTable, say } from "./terminal.ts";

interface CertsOptions extends ApiOption {
	readonly namespace: string;
	readonly allNamespaces?: boolean;
	readonly output: "table" | "wide" | "json" | "yaml";
}

export function certsCommand(): Command {
	return (
		withApiOption(new Command("certs"))
			.description(
				"Shows every certificate: whose, where, from which issuer, how long it lasts; and roots and issuers.",
			)
			.argument("[name]", "only this proxy or service account")
			.option("-n, --namespace <name>", "namespace", "default")
			.option("-A, --all-namespaces", "in all namespaces, and those of nodes and control planes")
			.addOption(
				new Option("-o, --output <format>", "how to print").choices(["table", "wide", "json", "yaml"]).default("table"),
			)
			// Its subcommands have options of the same names.
			.enablePositionalOptions()
			.action(showCertificates)
			.addCommand(rotateCommand("root"))
			.addCommand(rotateCommand("issuer"))
			.addCommand(rotateLeafCommand())
			.addCommand(recoverCommand())
	);
}

async function showCertificates(name: string | undefined, options: CertsOptions): Promise<void> {
	const answers = (await askAll<CertificatesAnswer>(options, "/api/v1/certificates")).map(({ answer }) => answer);
	const [first] = answers;
	if (!first) return;
	const nowMs = first.nowMs;
	const issuers = issuersOf(answers);
	const rows = (await rowsOf(answers, options)).filter((row) => isWanted(row, name, options)).sort(byIdentity);
	if (name !== undefined && rows.length === 0)
		throw new CliError(exitCodes.failure, `no certificate of "${name}" is known`, "keepmesh certs -A");
	if (options.output === "json" || options.output === "yaml") {
		const { authority, trustDomain, source, rotation } = first;
		const items = rows.map((row) => ({ ...row, state: stateOf(row, nowMs, issuers) }));
		const value = { trustDomain, source, nowMs, authority, rotation: rotation.state, items };
		if (options.output === "json") printJson(value);
		else print((await import("yaml")).stringify(value, { aliasDuplicateObjects: false }));
		return;
	}
	const wide = options.output === "wide";
	if (rows.length === 0)
		say(`no certificate is known${options.allNamespaces ? "" : ` in namespace ${options.namespace}`}`);
	else
		print(
			painted(
				renderTable(
					wide ? wideHeader : rowHeader,
					rows.map((row) => cellsOf(row, nowMs, wide, issuers)),
					...(wide ? [Number.POSITIVE_INFINITY] : []),
				),
			),
		);
	print("");
	print(painted(renderTable(["AUTHORITY", "ID", "UNDER", "USE", "LEFT", "STATE"], authorityTable(first))));
	if (first.rotation.state.phase === "running") say(first.rotation.lines.join("\n"));
	if (first.authority.some((item) => item.isSigning && stateOf(item, nowMs) === "EXPIRED"))
		say(`${paint("red", "the authority has expired")}: keepmesh certs recover --ca DIR (docs/security-recovery.md)`);
}

/** What proxies really use, where they can be asked; for all else what was issued. */
async function rowsOf(
	answers: readonly CertificatesAnswer[],
	options: CertsOptions,
): Promise<readonly CertificateRow[]> {
	const found = await podsOfLab(options);
	const used: CertificateRow[] = [];
	for (const pod of found?.pods ?? []) {
		if (pod.proxy === "none" || pod.deletedMs !== undefined) continue;
		try {
			const row = rowOfSecrets(sectionsOfDump(await dumpInPod(pod)).secrets, `${pod.name}.${pod.namespace}`, pod.node);
			if (row) used.push(row);
		} catch (error) {
			say(`the Envoy of ${pod.name} does not answer: ${error instanceof Error ? error.message : String(error)}`);
		}
	}
	const asked = new Set(used.map(({ identity, node }) => `${identity} ${node}`));
	return [...used, ...rowsOfLedger(answers).filter(({ identity, node }) => !asked.has(`${identity} ${node}`))];
}

function isWanted(row: CertificateRow, name: string | undefined, options: CertsOptions): boolean {
	if (name !== undefined)
		return row.holder === name || row.holder.split(".")[0] === name || row.identity.endsWith(`/${name}`);
	return options.allNamespaces === true || namespaceOf(row) === options.namespace;
}

function byIdentity(a: CertificateRow, b: CertificateRow): number {
	return a.identity < b.identity ? -1 : a.identity > b.identity ? 1 : a.holder < b.holder ? -1 : 1;
}

function painted(table: string): string {
	if (!isColourful(process.stdout)) return table;
	return table
		.replaceAll(/\b(?:EXPIRED|NOT YET VALID)\b/g, (word) => paint("red", word))
		.replaceAll(/\b(?:EXPIRING|RENEWING|OLD ISSUER)\b/g, (word) => paint("yellow", word));
}

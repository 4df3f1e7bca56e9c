// keepmesh delete: takes resources away, by kind and name or by the files that define them.

import { Command, Option } from "commander";
import type { AppliedItem } from "../api/api-types.ts";
import { printItems } from "./apply-command.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { callApi } from "./control-plane-client.ts";
import { type ApiOption, isOnKubernetes, withApiOption } from "./find-control-planes.ts";
import { kindNamed } from "./kind-names.ts";
import { readInputs } from "./read-inputs.ts";
import { say } from "./terminal.ts";
import { deleteByKubectl, type ResourceName } from "./write-by-kubectl.ts";

interface DeleteOptions extends ApiOption {
	readonly filename?: readonly string[];
	readonly namespace: string;
	readonly ignoreNotFound?: boolean;
	readonly dryRun?: boolean;
	readonly output: "text" | "json" | "name";
}

export function deleteCommand(): Command {
	return withApiOption(new Command("delete"))
		.description("Deletes resources.")
		.argument("[kind]", "virtualservice (vs), destinationrule (dr), service (svc), ...")
		.argument("[name...]")
		.option("-f, --filename <path...>", "delete what these files define")
		.option("-n, --namespace <name>", "namespace", "default")
		.option("--ignore-not-found", "succeed when there is nothing to delete")
		.option("--dry-run", "only say what would be done")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json", "name"]).default("text"))
		.action(remove);
}

async function remove(kindText: string | undefined, names: readonly string[], options: DeleteOptions): Promise<void> {
	const targets = await targetsOf(kindText, names, options);
	const items: AppliedItem[] = [];
	let missing = 0;
	for (const target of targets) {
		const item = isOnKubernetes(options) ? await deleteByKubectl(options, target) : await deleteByApi(options, target);
		if (item) {
			items.push(item);
			continue;
		}
		missing++;
		if (!options.ignoreNotFound)
			say(`not found: ${target.kind.toLowerCase()}/${target.name} in namespace ${target.namespace}`);
	}
	printItems(items, options);
	if (missing > 0 && !options.ignoreNotFound) {
		const kinds = [...new Set(targets.map((target) => target.kind.toLowerCase()))].join(",");
		throw new CliError(exitCodes.failure, `${missing} of ${targets.length} not found`, `keepmesh get ${kinds} -A`);
	}
}

/** Undefined: there is no such resource. */
async function deleteByApi(
	options: DeleteOptions,
	{ kind, name, namespace }: ResourceName,
): Promise<AppliedItem | undefined> {
	const path = `/api/v1/resources/${kind}/${encodeURIComponent(namespace || "-")}/${encodeURIComponent(name)}`;
	const query = options.dryRun ? "?dryRun=true" : "";
	const answer = await callApi<{ item?: AppliedItem; error?: string }>(options, `${path}${query}`, {
		method: "DELETE",
		expect: [404],
	});
	return answer.item;
}

async function targetsOf(
	kindText: string | undefined,
	names: readonly string[],
	options: DeleteOptions,
): Promise<readonly ResourceName[]> {
	if (options.filename) {
		const loaded = await readInputs(options.filename, { defaultNamespace: options.namespace });
		return loaded.objects.map(({ kind, metadata }) => ({ kind, ...metadata }));
	}
	if (kindText === undefined || (names.length === 0 && !kindText.includes("/"))) {
		throw new CliError(exitCodes.usage, "say what to delete", "keepmesh delete virtualservice NAME");
	}
	const [kindPart = "", slashName] = kindText.split("/");
	const kind = kindNamed(kindPart);
	const wanted = slashName === undefined ? names : [slashName, ...names];
	return wanted.map((name) => ({ kind, namespace: kind === "Namespace" ? "" : options.namespace, name }));
}

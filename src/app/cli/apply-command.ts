// keepmesh apply -f: creates or changes resources at the control plane, which checks them by the rules of validate.

import { Command, Option } from "commander";
import type { AppliedItem, ApplyAnswer } from "../api/api-types.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { callApi } from "./control-plane-client.ts";
import { countProblems } from "./count-problems.ts";
import { type ApiOption, isOnKubernetes, withApiOption } from "./find-control-planes.ts";
import { readInputs } from "./read-inputs.ts";
import { print, printJson, sayProblems } from "./terminal.ts";
import { applyByKubectl } from "./write-by-kubectl.ts";

interface ApplyOptions extends ApiOption {
	readonly filename: readonly string[];
	readonly namespace: string;
	readonly dryRun?: boolean;
	readonly output: "text" | "json" | "name";
}

export function applyCommand(): Command {
	return withApiOption(new Command("apply"))
		.description("Creates or changes resources. If one is wrong, none is applied and every problem is listed.")
		.requiredOption("-f, --filename <path...>", "files, directories, or - for standard input")
		.option("-n, --namespace <name>", "namespace of resources that name none", "default")
		.option("--dry-run", "only say what would be done")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json", "name"]).default("text"))
		.action(apply);
}

async function apply(options: ApplyOptions): Promise<void> {
	const loaded = await readInputs(options.filename, { defaultNamespace: options.namespace });
	const errors = loaded.problems.filter((problem) => problem.severity === "error");
	if (errors.length > 0) {
		if (options.output === "json") printJson({ items: [], problems: errors });
		else sayProblems(errors);
		throw new CliError(
			exitCodes.data,
			`nothing was applied: ${countProblems(errors)}`,
			`mend the lines above, then: keepmesh validate ${options.filename.map((path) => `-f ${path}`).join(" ")}`,
		);
	}
	const text = loaded.files.map((file) => file.text).join("\n---\n");
	const items = isOnKubernetes(options)
		? await applyByKubectl(options, text)
		: await sendResources(options, text, options);
	printItems(items, options);
}

/** PUTs YAML to the control plane and gives back what became of each resource. */
export async function sendResources(
	api: ApiOption,
	text: string,
	options: { readonly namespace: string; readonly dryRun?: boolean },
): Promise<readonly AppliedItem[]> {
	const query = new URLSearchParams({ namespace: options.namespace, ...(options.dryRun ? { dryRun: "true" } : {}) });
	const answer = await callApi<ApplyAnswer>(api, `/api/v1/resources?${query}`, {
		method: "PUT",
		body: text,
		expect: [422, 409],
	});
	sayProblems(answer.problems);
	if (!answer.ok) {
		throw new CliError(
			exitCodes.data,
			`nothing was applied: ${countProblems(answer.problems)}`,
			"mend the lines above, then apply again",
		);
	}
	return answer.items;
}

export function printItems(
	items: readonly AppliedItem[],
	options: { readonly dryRun?: boolean; readonly output: "text" | "json" | "name" },
): void {
	if (options.output === "json") printJson({ items });
	for (const item of items) {
		const name = `${item.kind.toLowerCase()}/${item.name}`;
		if (options.output === "name") print(name);
		if (options.output === "text") print(`${name} ${item.outcome}${options.dryRun ? " (dry run)" : ""}`);
	}
}

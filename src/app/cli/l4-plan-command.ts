// keepmesh l4 plan -f: the rules that a node would have, offline; l4 rules: those of a running node, or of one Service. As text
// with the plan above them, as what `nft -f` takes, or as data.

import { Command, Option } from "commander";
import { layer4Key } from "../../l4/layer4-service.ts";
import { NftablesPlan } from "../../l4/nftables/nftables-plan.ts";
import { renderTables } from "../../l4/nftables/render-text.ts";
import { renderBalancers } from "../../l4/services/render-balancers.ts";
import type { ServiceStatus } from "../../node/layer4/layer4-status.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { countProblems } from "./count-problems.ts";
import { chosen } from "./l4-list-commands.ts";
import { type Layer4Plan, planOffline } from "./l4-offline.ts";
import { readSource, type SourceFlags, withOfflineFlags, withSourceFlags } from "./l4-source.ts";
import { print, printJson, say, sayProblems } from "./terminal.ts";

type Format = "text" | "nft" | "json";

interface PlanFlags extends Omit<SourceFlags, "filename" | "state"> {
	readonly filename: readonly string[];
	readonly output: Format;
}

interface RulesFlags extends SourceFlags {
	readonly allNamespaces: boolean;
	readonly output: Format;
}

const outputFlag = (): Option =>
	new Option("-o, --output <format>", "text: the plan and its rules; nft: what nft -f takes")
		.choices(["text", "nft", "json"])
		.default("text");

export function l4PlanCommand(): Command {
	return withOfflineFlags(
		new Command("plan")
			.description("Prints the rules that a node would have, from resource files, without a control plane or a kernel.")
			.requiredOption("-f, --filename <path...>", "files, directories, or - for standard input")
			.option("-n, --namespace <name>", "of resources that name none", "default")
			.addOption(outputFlag()),
	).action(async (flags: PlanFlags) => {
		const plan = await planOffline({ ...flags, nodeAddress: flags.nodeAddress ?? [] });
		printRules(plan, plan.services, flags.output);
		sayProblems(plan.problems);
		const errors = plan.problems.filter(({ severity }) => severity === "error");
		if (errors.length === 0) return;
		throw new CliError(
			exitCodes.data,
			`printed without what is wrong: ${countProblems(errors)}`,
			`keepmesh validate ${flags.filename.map((path) => `-f ${path}`).join(" ")}`,
		);
	});
}

export function l4RulesCommand(): Command {
	return withSourceFlags(
		new Command("rules")
			.description("Prints the rules of a running node: all of them, or those of one Service.")
			.argument("[service]", "one Service: NAME, NAME.NAMESPACE or NAMESPACE/NAME")
			.option(
				"-n, --namespace <name>",
				"of a Service that is named without one; with -f also of resources that name none",
			)
			.addOption(outputFlag()),
	).action(async (name: string | undefined, flags: RulesFlags) => {
		const source = await readSource(flags);
		const services = name === undefined ? source.services : chosen(source, name, flags);
		printRules(source, services, flags.output);
	});
}

function printRules({ node, backend }: Layer4Plan, services: readonly ServiceStatus[], format: Format): void {
	const plan = new NftablesPlan(node);
	for (const { service, balancers } of services) plan.set(layer4Key(service), balancers);
	const tables = plan.ruleset();
	const problems = plan.problems();
	switch (format) {
		case "json":
			printJson({ node, backend, services, tables, problems });
			return;
		case "nft":
			print(renderTables(tables));
			break;
		case "text":
			print(`${renderBalancers(services.flatMap(({ balancers }) => balancers))}\n${renderTables(tables)}`);
			break;
		default:
			format satisfies never;
	}
	for (const { owner, message } of problems) say(`${owner}: ${message}`);
}

// keepmesh l4 plan -f: the rules that a node would have, offline; l4 rules: those of a running node, or of one Service. As text
// with the plan above them, as what `nft -f` takes, or as data.

import { Command, Option } from "commander";
import { IpvsPlan } from "../../l4/ipvs/ipvs-plan.ts";
import { renderPlan } from "../../l4/ipvs/render-text.ts";
import { layer4Key } from "../../l4/layer4-service.ts";
import { NftablesPlan } from "../../l4/nftables/nftables-plan.ts";
import { renderTables } from "../../l4/nftables/render-text.ts";
import { renderBalancers } from "../../l4/services/render-balancers.ts";
import type { ServiceStatus } from "../../node/layer4/layer4-status.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { countProblems } from "./count-problems.ts";
import { chosen } from "./l4-list-commands.ts";
import type { Layer4Plan } from "./l4-offline.ts";
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
		const { planOffline } = await import("./l4-offline.ts");
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
	const ipvs = new IpvsPlan(node);
	for (const { service, balancers, backend: own } of services)
		(own === "ipvs" ? ipvs : plan).set(layer4Key(service), balancers);
	const isIpvsUsed = backend === "ipvs" || services.some((one) => one.backend === "ipvs");
	const isNftablesUsed = backend === "nftables" || services.some((one) => one.backend === "nftables");
	const tables = [...(isNftablesUsed ? plan.ruleset() : []), ...(isIpvsUsed ? ipvs.ruleset() : [])];
	const problems = [...plan.problems(), ...ipvs.problems()];
	const servers = ipvs.wantedServers().map(({ server, destinations }) => ({
		server,
		destinations: [...destinations.values()],
	}));
	switch (format) {
		case "json":
			printJson({ node, backend, services, tables, servers, routes: ipvs.wantedRoutes(), problems });
			return;
		case "nft":
			print(renderTables(tables));
			if (servers.length > 0) say("IPVS is not among what nft takes: its virtual servers and routes are in -o text");
			break;
		case "text":
			print(
				[
					renderBalancers(services.flatMap(({ balancers }) => balancers)),
					...(isIpvsUsed ? [renderPlan(ipvs)] : []),
					renderTables(tables),
				].join("\n"),
			);
			break;
		default:
			format satisfies never;
	}
	for (const { owner, message } of problems) say(`${owner}: ${message}`);
}

// keepmesh vip check FILE...: what keepalived.conf will do, and what of it will not do what it is meant to. Exit 0, or 65 if
// there is an error. Several files are those of several nodes, and are compared.

import { Command, Option } from "commander";
import { checkConf } from "../../vip/keepalived-conf/check-conf.ts";
import { renderPlan } from "../../vip/keepalived-conf/render-plan.ts";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { countProblems } from "./count-problems.ts";
import { type ConfFile, readKeepalivedConfs, scriptFacts } from "./read-keepalived-conf.ts";
import { print, printJson, say, sayProblems } from "./terminal.ts";

interface CheckOptions {
	readonly configId?: string;
	readonly scripts: boolean;
	readonly output: "text" | "json";
}

export function vipCheckCommand(): Command {
	return new Command("check")
		.description("Says what a keepalived.conf does, and its traps. Several files, of several nodes, are compared.")
		.argument("<file...>", "keepalived.conf of one node or of several")
		.option("-i, --config-id <id>", "what @ID lines are compared with (default: this host's name)")
		.option("--no-scripts", "do not look at the scripts on this machine")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text"))
		.action(check);
}

function check(paths: readonly string[], options: CheckOptions): void {
	const files = readKeepalivedConfs(paths, options.configId);
	const problems = checkConf(files, options.scripts ? scriptFacts : undefined);
	const hasErrors = problems.some(({ severity }) => severity === "error");
	if (options.output === "json")
		printJson({
			valid: !hasErrors,
			files: files.map(({ path, parsed }) => ({
				path,
				config: withoutKeys(parsed.config),
				virtualServers: parsed.servers,
			})),
			problems,
		});
	else {
		for (const file of files)
			print(`${file.path}\n\n${renderPlan(file.parsed.config, (instance) => othersOf(files, file, instance))}`);
		sayProblems(problems);
	}
	if (hasErrors)
		throw new CliError(
			exitCodes.data,
			countProblems(problems),
			`mend the lines above, then: keepmesh vip check ${paths.join(" ")}`,
		);
	if (options.output === "json") say(countProblems(problems));
}

/** The same virtual router in the other files. */
function othersOf(files: readonly ConfFile[], own: ConfFile, instance: InstanceConfig): readonly InstanceConfig[] {
	return files
		.filter((file) => file !== own)
		.flatMap(({ parsed }) => parsed.config.instances)
		.filter(
			({ virtualRouterId, family }) => virtualRouterId === instance.virtualRouterId && family === instance.family,
		);
}

function withoutKeys(config: ConfFile["parsed"]["config"]): unknown {
	const instances = config.instances.map(({ authentication, ...instance }) => ({
		...instance,
		authentication: authentication.type === "none" ? authentication : { type: authentication.type, key: "[redacted]" },
	}));
	return { ...config, instances };
}

// keepmesh vip import FILE...: VirtualIP resources from the keepalived.conf of one node or of several.

import { basename, dirname, resolve } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { importVirtualIps } from "../../vip/keepalived-conf/import-virtual-ip.ts";
import { renderVirtualIps } from "../../vip/keepalived-conf/render-virtual-ips.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { readKeepalivedConfs } from "./read-keepalived-conf.ts";
import { print, printJson, say, sayProblems } from "./terminal.ts";

interface ImportOptions {
	readonly node: readonly string[];
	readonly namespace: string;
	readonly configId?: string;
	readonly output: "yaml" | "json";
}

export function vipImportCommand(): Command {
	return new Command("import")
		.description("Prints VirtualIP resources that do what a keepalived.conf does, and names what they cannot say.")
		.argument("<file...>", "keepalived.conf of one node or of several")
		.addOption(
			new Option("--node <name...>", "names of the nodes, in the order of the files (default: the files' directories)")
				.argParser(nodeName)
				.default([]),
		)
		.option("-n, --namespace <name>", "namespace of the resources", "default")
		.option("-i, --config-id <id>", "what @ID lines are compared with (default: this host's name)")
		.addOption(new Option("-o, --output <format>", "how to print").choices(["yaml", "json"]).default("yaml"))
		.action(run);
}

function nodeName(text: string, before: readonly string[]): readonly string[] {
	if (!/^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/.test(text)) throw new InvalidArgumentError(`${text} is no name of a node`);
	return [...before, text];
}

function run(paths: readonly string[], options: ImportOptions): void {
	const again = `keepmesh vip import ${paths.join(" ")} --node ${paths.map((_, index) => `node-${index + 1}`).join(" ")}`;
	if (options.node.length > 0 && options.node.length !== paths.length)
		throw new CliError(exitCodes.usage, `${paths.length} files and ${options.node.length} names of nodes`, again);
	const nodes = options.node.length > 0 ? options.node : paths.map(nodeOfPath);
	if (new Set(nodes).size < nodes.length) throw new CliError(exitCodes.usage, "two files are of the same node", again);
	const files = readKeepalivedConfs(paths, options.configId);
	const problems = files.flatMap(({ parsed }) => parsed.problems);
	sayProblems(problems);
	const imported = importVirtualIps(
		files.map(({ parsed }, index) => ({ node: nodes[index] ?? "", config: parsed.config })),
	);
	if (imported.length === 0)
		throw new CliError(
			exitCodes.data,
			"there is no virtual IP in these files",
			`keepmesh vip check ${paths.join(" ")}`,
		);
	if (options.output === "json") printJson(imported);
	else print(renderVirtualIps(imported, options.namespace));
	for (const { parsed } of files)
		for (const { name, addresses } of parsed.config.instances)
			if (addresses.length === 0) say(`${name} has no virtual address and was not imported`);
	const servers = files.reduce((sum, { parsed }) => sum + parsed.servers.servers.length, 0);
	if (servers > 0) say(`${servers} virtual_server blocks are for the layer-4 part and were not imported`);
	if (problems.some(({ severity }) => severity === "error"))
		throw new CliError(
			exitCodes.data,
			"what is wrong in the files was left out",
			`keepmesh vip check ${paths.join(" ")}`,
		);
}

/** `a.conf` -> `a`; `node-a/keepalived.conf` -> `node-a`. */
function nodeOfPath(path: string): string {
	const own = basename(path).replace(/\.conf.*$/, "");
	const name = own === "keepalived" ? basename(dirname(resolve(path))) : own;
	return (
		name
			.toLowerCase()
			.replace(/[^a-z0-9]+/g, "-")
			.replace(/^-+|-+$/g, "") || "node"
	);
}

// Where `keepmesh l4` gets what it shows from: a running node's socket, or, with -f, resource files. The same flags for every
// command below it.

import { request } from "node:http";
import { join } from "node:path";
import { type Command, Option } from "commander";
import type { Layer4Status } from "../../node/layer4/layer4-status.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import type { Layer4Plan, OfflineFlags } from "./l4-offline.ts";
import { addressRanges } from "./layer4-flags.ts";
import { sayProblems } from "./terminal.ts";

export interface SourceFlags extends Omit<OfflineFlags, "filename" | "nodeAddress"> {
	readonly filename?: readonly string[];
	readonly nodeAddress?: readonly string[];
	readonly state: string;
}

export const defaultNodeState = "/var/lib/keepmesh";

/** `status` is there for a running node only. */
export interface Layer4Source extends Layer4Plan {
	readonly status?: Layer4Status;
}

export function withOfflineFlags(command: Command): Command {
	return command
		.option("--node <name>", "with -f: the node that the plan is for; endpoints and zones are seen from it")
		.option("--zone <name>", "with -f: the node's zone, for hints and traffic distribution")
		.option("--node-address <address...>", "with -f: the node's own addresses; node ports are answered on them")
		.option(
			"--pod-ranges <ranges>",
			"with -f: addresses of the cluster's pods; whoever else asks a cluster address is masqueraded",
			addressRanges,
		)
		.option("--kube-proxy-config <file>", "with -f: a KubeProxyConfiguration, for what a plan depends on")
		.addOption(new Option("--backend <name>", "with -f: of Services that name none").choices(["nftables", "ipvs"]));
}

export function withSourceFlags(command: Command): Command {
	return withOfflineFlags(
		command
			.option("--state <dir>", "as given to keepmesh node or l4 run: whom to ask", defaultNodeState)
			.option("-f, --filename <path...>", "files, directories, or -: what would be, without a running node"),
	);
}

export async function readSource(flags: SourceFlags): Promise<Layer4Source> {
	if (flags.filename === undefined) {
		const status = await askNode(flags.state);
		return { ...status, status };
	}
	const { planOffline } = await import("./l4-offline.ts");
	const plan = await planOffline({ ...flags, filename: flags.filename, nodeAddress: flags.nodeAddress ?? [] });
	sayProblems(plan.problems);
	return plan;
}

async function askNode(state: string): Promise<Layer4Status> {
	const socketPath = join(state, "node.sock");
	const { code, text } = await new Promise<{ code: number; text: string }>((resolve, reject) => {
		const asked = request({ socketPath, path: "/layer4", timeout: 10_000 }, (response) => {
			const chunks: Buffer[] = [];
			response.on("data", (chunk: Buffer) => chunks.push(chunk));
			response.on("end", () =>
				resolve({ code: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") }),
			);
		});
		asked.on("timeout", () => asked.destroy(new Error("no answer within 10 s")));
		asked.on("error", (error: NodeJS.ErrnoException) => reject(unreachable(error, socketPath)));
		asked.end();
	});
	if (code === 200) return JSON.parse(text) as Layer4Status;
	if (code === 404)
		throw new CliError(
			exitCodes.unavailable,
			`the node on ${socketPath} does not do layer 4`,
			"keepmesh node --help (--layer4), or keepmesh l4 run -f DIR --node NAME",
		);
	throw new CliError(
		exitCodes.failure,
		`the node answers ${code}: ${text.trim()}`,
		"keepmesh l4 services -f DIR --node NAME",
	);
}

function unreachable(error: NodeJS.ErrnoException, socketPath: string): CliError {
	if (error.code === "EACCES")
		return new CliError(exitCodes.noPermission, `${socketPath} is for root only`, "sudo keepmesh l4 services");
	return new CliError(
		exitCodes.unavailable,
		`no node answers on ${socketPath}`,
		"keepmesh l4 services --state DIR, the one given to keepmesh node or l4 run; or -f DIR --node NAME for files",
	);
}

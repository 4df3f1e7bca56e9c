// The node agents of this machine that a command is about: those of --state, else the lab's, else the machine's own. Each is
// asked on its Unix socket, which only root may open; a node of another machine is asked there.

import { existsSync } from "node:fs";
import { request } from "node:http";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { type Command, Option } from "commander";
import { runDirectory } from "../../lab/lab-record.ts";
import type { PodStatus } from "../../node/node-agent.ts";
import { nodePaths } from "../../node/plan/pod-paths.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { chosenLab } from "./find-control-planes.ts";

export interface NodesOption {
	readonly state?: readonly string[];
	readonly lab?: string;
	readonly name?: string;
}

export interface NodePlace {
	readonly name: string;
	readonly state: string;
}

export interface NodeAnswer<Body> {
	readonly status: number;
	readonly body: Body;
}

/** What every refusal of a node's API says. */
export interface NodeRefusal {
	readonly because?: string;
	readonly hint?: string;
}

/** Where `keepmesh node` of the units keeps its files. */
const defaultState = "/var/lib/keepmesh/node";
const timeoutMs = 10_000;

export function withNodesOption(command: Command): Command {
	return command
		.addOption(
			new Option(
				"--state <dir>",
				`a node's state directory; several: again (default: the lab's, or ${defaultState})`,
			).argParser((text: string, before: readonly string[] = []) => [...before, resolve(text)]),
		)
		.option("--lab <name>", "the lab whose nodes are meant (default: the only one that runs)")
		.addOption(new Option("--name <name>", "the same as --lab").hideHelp());
}

export async function findNodes(options: NodesOption): Promise<readonly NodePlace[]> {
	if (process.getuid?.() !== 0)
		throw new CliError(exitCodes.noPermission, "the socket of a node is open to root only", "sudo, the same again");
	const { state = [] } = options;
	if (state.length > 0) return state.map((one) => ({ name: state.length === 1 ? hostname() : one, state: one }));
	const record = chosenLab(options);
	if (record) {
		const { Lab } = await import("../../lab/lab.ts");
		const { nodes } = await new Lab(record.name).status();
		return nodes.map(({ name }) => ({ name, state: join(runDirectory(record.name), name) }));
	}
	if (existsSync(nodePaths(defaultState).apiSocket)) return [{ name: hostname(), state: defaultState }];
	throw new CliError(
		exitCodes.unavailable,
		"no lab runs here, and no node of this machine was found",
		"add --state DIR, as given to keepmesh node",
	);
}

/** Rejects with a CliError when the node does not answer. */
export function askNode<Body>(
	{ name, state }: NodePlace,
	method: "GET" | "POST",
	path: string,
): Promise<NodeAnswer<Body & NodeRefusal>> {
	return new Promise((done, failed) => {
		const silent = (because: string): void =>
			failed(
				new CliError(exitCodes.unavailable, `${name} does not answer: ${because}`, `keepmesh node --state ${state} …`),
			);
		const socketPath = nodePaths(state).apiSocket;
		const asked = request({ socketPath, method, path, timeout: timeoutMs, agent: false }, (response) => {
			let text = "";
			response.setEncoding("utf8").on("data", (chunk: string) => {
				text += chunk;
			});
			response.on("error", (error) => silent(error.message));
			response.on("end", () => {
				try {
					done({ status: response.statusCode ?? 0, body: JSON.parse(text) as Body & NodeRefusal });
				} catch {
					silent("what it says is no JSON");
				}
			});
		});
		asked.on("timeout", () => asked.destroy(new Error("no answer in time")));
		asked.on("error", (error: NodeJS.ErrnoException) =>
			silent(error.code === "ENOENT" ? `no ${socketPath}` : error.message),
		);
		asked.end();
	});
}

export async function podsOf(node: NodePlace): Promise<readonly PodStatus[]> {
	return (await askNode<{ pods: readonly PodStatus[] }>(node, "GET", "/v1/pods")).body.pods;
}

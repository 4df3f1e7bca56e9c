// `keepmesh node`: the agent of one machine. Reads the environment (KEEPMESH_ENVOY) and signals; startNode does the rest.

import { resolve } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { startLog } from "../../runtime/log.ts";
import { startNode } from "../node.ts";

interface NodeFlags {
	readonly node: string;
	readonly state: string;
	readonly control: readonly string[];
	readonly envoy?: string;
	readonly domain: string;
	readonly dnsListen?: string;
	readonly upstreamDns?: readonly string[];
	readonly stopProxies?: boolean;
}

export function nodeCommand(): Command {
	return new Command("node")
		.description("run the agent of one machine: Envoys, redirects, DNS and metrics of its pods")
		.requiredOption("--node <name>", "name of this machine")
		.requiredOption("--state <dir>", "directory for records, sockets and logs; one agent each")
		.requiredOption("--control <host:port,...>", "control planes, in order of preference", hostPorts)
		.option("--envoy <file>", "Envoy to run (default: KEEPMESH_ENVOY, else the one of the set-up)")
		.option("--domain <suffix>", "DNS domain of the mesh's services", "cluster.local")
		.option("--dns-listen <addr[:port]>", "serve DNS for the pods here")
		.option("--upstream-dns <addr[:port],...>", "resolvers for all other names", list)
		.option("--stop-proxies", "on SIGTERM also drain and stop the Envoys and remove the redirects")
		.action(async (flags: NodeFlags) => {
			const log = startLog({ facts: { part: "node", node: flags.node } });
			const node = await startNode(
				{
					name: flags.node,
					state: resolve(flags.state),
					control: flags.control,
					envoy: resolve(
						flags.envoy ?? process.env.KEEPMESH_ENVOY ?? `${import.meta.dirname}/../../../.keepmesh/envoy`,
					),
					domainSuffix: flags.domain,
					...(flags.dnsListen ? { dnsListen: flags.dnsListen } : {}),
					...(flags.upstreamDns ? { upstreamDns: flags.upstreamDns } : {}),
				},
				{ log },
			);
			await new Promise<void>((done) => {
				process.once("SIGTERM", () => done()).once("SIGINT", () => done());
			});
			await node.close({ stopProxies: flags.stopProxies === true });
			process.exit(0);
		});
}

function list(text: string): readonly string[] {
	return text
		.split(",")
		.map((item) => item.trim())
		.filter((item) => item !== "");
}

function hostPorts(text: string): readonly string[] {
	const values = list(text);
	for (const value of values)
		if (!/^(?:\[[0-9a-fA-F:.]+\]|[^\s:[\]]+):\d{1,5}$/.test(value))
			throw new InvalidArgumentError(`"${value}" is not HOST:PORT, for example 10.0.0.1:15012`);
	if (values.length === 0) throw new InvalidArgumentError("name at least one HOST:PORT");
	return values;
}

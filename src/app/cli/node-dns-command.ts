// `keepmesh node-dns`: the DNS server of one machine, a process of its own so that names are answered while the agent restarts.
// The agent starts it; by hand it is of use for a test only.

import { Command, InvalidArgumentError } from "commander";
import { proxyUid } from "../../hotswitch/render-redirect.ts";
import { startDnsServer } from "../../node/dns-wire/dns-server.ts";
import { followNameTable } from "../../node/dns-wire/name-table-file.ts";
import { type IpPort, parseIpPort, renderIpPort } from "../../node/plan/host-port.ts";
import { startLog } from "../../runtime/log.ts";

interface NodeDnsFlags {
	readonly listen: IpPort;
	readonly table: string;
	readonly upstream: readonly IpPort[];
	readonly domain: string;
}

export function nodeDnsCommand(): Command {
	return new Command("node-dns")
		.description("serve the mesh's names over DNS (started by keepmesh node)")
		.requiredOption("--listen <addr[:port]>", "where to listen, UDP and TCP", ipPort)
		.requiredOption("--table <file>", "names and addresses, written by the agent")
		.option("--upstream <addr[:port],...>", "resolvers for all other names", ipPorts, [])
		.option("--domain <suffix>", "DNS domain of the mesh's services", "cluster.local")
		.action(async (flags: NodeDnsFlags) => {
			const log = startLog({ facts: { part: "dns" } });
			const names = followNameTable(flags.table, log);
			const server = await startDnsServer({
				listen: flags.listen,
				domain: flags.domain,
				upstreams: flags.upstream,
				index: () => names.current,
			});
			// Root was needed for port 53 only.
			if (process.getuid?.() === 0) {
				process.setgroups?.([]);
				process.setgid?.(proxyUid);
				process.setuid?.(proxyUid);
			}
			log.info({ listen: renderIpPort(server.address), upstream: flags.upstream.map(renderIpPort) }, "DNS server runs");
			await new Promise<void>((done) => {
				process.once("SIGTERM", () => done()).once("SIGINT", () => done());
			});
			process.exit(0);
		});
}

function ipPort(text: string): IpPort {
	const parsed = parseIpPort(text, 53);
	if (!parsed) throw new InvalidArgumentError(`"${text}" is not ADDRESS[:PORT], for example 10.0.0.1:53`);
	return parsed;
}

function ipPorts(text: string): readonly IpPort[] {
	return text
		.split(",")
		.map((item) => item.trim())
		.filter((item) => item !== "")
		.map(ipPort);
}

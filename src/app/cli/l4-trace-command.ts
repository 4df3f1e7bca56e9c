// keepmesh l4 trace SRC DST[:PORT]: which rule meets a connection, who may answer, which source they see, and why.

import { Command, Option } from "commander";
import type { Layer4Protocol } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import { canonicalAddress, familyOf, rangeHolds } from "../../l4/services/canonical-address.ts";
import { type Connection, type Trace, traceConnection } from "../../l4/services/trace-connection.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { chosen } from "./l4-list-commands.ts";
import { hostPort, round, shareOf } from "./l4-rows.ts";
import { type Layer4Source, readSource, type SourceFlags, withSourceFlags } from "./l4-source.ts";
import { print, printJson, renderTable, say } from "./terminal.ts";

interface TraceFlags extends SourceFlags, Asked {
	readonly output: "text" | "json";
}

interface Asked {
	readonly namespace?: string;
	readonly protocol: Layer4Protocol;
	readonly from?: Connection["from"];
}

const example = "keepmesh l4 trace 10.244.1.5 reviews.default:9080";

export function l4TraceCommand(): Command {
	return withSourceFlags(
		new Command("trace")
			.description("Says what happens to a connection on one node: which rule, which backends, which source, and why.")
			.argument("<source>", "the client's address, or `node` for the node itself")
			.argument("<destination>", "ADDRESS:PORT, or SERVICE[.NAMESPACE][:PORT]")
			.option("-n, --namespace <name>", "of a Service that is named without one")
			.addOption(new Option("--protocol <name>", "of the connection").choices(["tcp", "udp", "sctp"]).default("tcp"))
			.addOption(
				new Option("--from <where>", "where the client is (default: as its address says)").choices([
					"node",
					"pod",
					"outside",
				]),
			)
			.addOption(new Option("-o, --output <format>", "how to print").choices(["text", "json"]).default("text")),
	).action(async (from: string, to: string, flags: TraceFlags) => {
		const source = await readSource(flags);
		const connection = connectionOf(source, from, to, flags);
		const balancers = source.services.flatMap(({ balancers: own }) => own);
		const trace = traceConnection(balancers, source.node, connection);
		// Only a running node's connections are on this machine.
		const flows = source.status ? await import("./l4-tracked-flows.ts") : undefined;
		const tracked = flows?.trackedFlows(connection, source.node);
		if (flags.output === "json") {
			printJson({ connection, ...trace, ...(tracked?.ok ? { tracked: tracked.flows } : {}) });
			return;
		}
		print(renderTrace(trace, connection, source.node));
		if (flows && tracked?.ok) print(`\n${flows.renderFlows(tracked.flows, trace)}`);
		else if (tracked && !tracked.ok) say(`tracked connections cannot be read: ${tracked.because}`);
	});
}

export function renderTrace(trace: Trace, connection: Connection, node: NodeFacts): string {
	const who = connection.from === "node" ? "the node itself" : connection.from === "pod" ? "a pod" : "outside";
	const to = hostPort({ address: connection.destination, port: connection.port });
	const lines = [`${connection.source} (${who}) to ${to}/${connection.protocol} on ${node.name}: ${trace.outcome}`, ""];
	trace.sentences.forEach((sentence, index) => {
		lines.push(`${index + 1}. ${sentence}`);
	});
	const { balancer } = trace;
	if (balancer && trace.backends.length > 0) {
		const all = trace.backends.map(({ backend }) => backend);
		const rows = trace.backends.map(({ backend, source }) => {
			const share = shareOf(balancer, all, backend);
			return [
				hostPort(backend),
				share === undefined ? "by open connections" : `${round(share)}%`,
				source === "client" ? connection.source : "the node's",
				backend.local ? "this node" : "another",
			];
		});
		lines.push("", renderTable(["BACKEND", "SHARE", "SEES SOURCE", "ON"], rows));
	}
	return lines.join("\n");
}

/** Throws a CliError for what is no address, and where a port is missing that cannot be guessed. */
export function connectionOf(source: Layer4Source, from: string, to: string, flags: Asked): Connection {
	const { node } = source;
	const { destination, port } = destinationOf(source, to, flags);
	const own = node.nodeAddresses ?? node.nodePortAddresses;
	if (from === "node") {
		const family = familyOf(destination);
		const address = own.find((one) => familyOf(one) === family);
		if (address === undefined)
			throw new CliError(
				exitCodes.usage,
				"the node's own address is not known",
				"--node-address ADDRESS, or its address as SRC",
			);
		return { source: address, destination, port, protocol: flags.protocol, from: flags.from ?? "node" };
	}
	const address = canonicalAddress(from);
	if (address === undefined) throw new CliError(exitCodes.usage, `${from} is no address`, example);
	return {
		source: address.text,
		destination,
		port,
		protocol: flags.protocol,
		from: flags.from ?? (own.includes(address.text) ? "node" : isPod(node, address.text) ? "pod" : "outside"),
	};
}

/** Pods that are known by their interface cannot be told by an address: --from pod says it. */
function isPod({ localTraffic }: NodeFacts, address: string): boolean {
	return localTraffic?.type === "ranges" && localTraffic.ranges.some((range) => rangeHolds(range, address));
}

function destinationOf(
	source: Layer4Source,
	text: string,
	flags: Asked,
): { readonly destination: string; readonly port: number } {
	const match = /^(?:\[(?<v6>[^\]]+)\]|(?<host>[^:]+))(?::(?<port>\d+))?$/.exec(text);
	const bare = match ? undefined : canonicalAddress(text);
	const host = match?.groups?.v6 ?? match?.groups?.host ?? bare?.text;
	if (host === undefined) throw new CliError(exitCodes.usage, `${text} is no ADDRESS:PORT`, example);
	const given = match?.groups?.port === undefined ? undefined : Number(match.groups.port);
	if (given !== undefined && (given < 1 || given > 65_535))
		throw new CliError(exitCodes.usage, `${given} is no port`, example);
	const address = canonicalAddress(host)?.text;
	if (address !== undefined) return { destination: address, port: given ?? onlyPort(source, address, flags) };
	const [found] = chosen(source, host, flags);
	const destination = found?.service.clusterAddresses[0];
	if (found === undefined || destination === undefined)
		throw new CliError(exitCodes.data, `${host} has no cluster address`, "keepmesh l4 services");
	return { destination, port: given ?? onlyPort(source, destination, flags) };
}

/** Of an address with one port, where none is given. */
function onlyPort(source: Layer4Source, address: string, flags: Asked): number {
	const ports = new Set<number>();
	for (const { balancers } of source.services)
		for (const { front, port, protocol } of balancers)
			if ("address" in front && front.address === address && protocol === flags.protocol) ports.add(port);
	const [only, ...others] = ports;
	if (only !== undefined && others.length === 0) return only;
	const what = ports.size === 0 ? `no Service has ${address}/${flags.protocol}` : `${address} has several ports`;
	throw new CliError(exitCodes.usage, `${what}; say which: ${address}:${only ?? "PORT"}`, example);
}

// What the kernel's table of connections says of a traced connection: those that are open now stay with their backend, whatever
// the rules say by now.

import type { Flow } from "../../kernel/conntrack-table.ts";
import { openConntrackTable } from "../../kernel/linux/conntrack/conntrack-table.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import type { Connection, Trace } from "../../l4/services/trace-connection.ts";
import { hostPort } from "./l4-rows.ts";
import { renderTable } from "./terminal.ts";

export type TrackedFlows =
	| { readonly ok: true; readonly flows: readonly Flow[] }
	| { readonly ok: false; readonly because: string };

/** Of this machine, in this network namespace; of the node itself from any of its addresses. Needs root. */
export function trackedFlows(connection: Connection, node: NodeFacts): TrackedFlows {
	const opened = openConntrackTable();
	if (!opened.ok) return { ok: false, because: opened.message };
	const { destination, port: destinationPort, protocol } = connection;
	const own = connection.from === "node" ? [...(node.nodeAddresses ?? []), ...node.nodePortAddresses] : [];
	const sources = new Set([connection.source, ...own]);
	const listed = opened.value.list({ protocol, destination, destinationPort });
	opened.value.close();
	if (!listed.ok) return { ok: false, because: listed.message };
	return { ok: true, flows: listed.flows.filter(({ original }) => sources.has(original.source)) };
}

/** The newest is not known: the table has no time. Sorted by the client's port. */
export function renderFlows(flows: readonly Flow[], trace: Trace): string {
	if (flows.length === 0) return "No such connection is tracked now.";
	const offered = new Set(trace.backends.map(({ backend }) => hostPort(backend)));
	const sorted = [...flows].sort((a, b) => a.original.sourcePort - b.original.sourcePort);
	const rows = sorted.map(({ original, reply, status, timeoutSec }) => {
		const backend = hostPort({ address: reply.source, port: reply.sourcePort });
		return [
			hostPort({ address: original.source, port: original.sourcePort }),
			backend,
			reply.destination === original.source ? original.source : `the node's, ${reply.destination}`,
			status.assured ? "both ways" : status.seenReply ? "answered" : "no answer yet",
			`${timeoutSec}s`,
			offered.has(backend) ? "" : "gets no new connections",
		];
	});
	const header = ["CLIENT", "BACKEND", "SEES SOURCE", "STATE", "FORGOTTEN IN", ""];
	return `Tracked now, and staying where they are:\n${renderTable(header, rows)}`;
}

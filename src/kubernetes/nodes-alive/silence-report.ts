// What a node tells every control plane of the nodes that it listens to and does not hear: JSON in UTF-8, and back. A report that
// is wrong anywhere is refused whole, and says where.

import type { SilentNode } from "./silence-machine.ts";

/** One message with one answer, over the control plane's xDS port. */
export const silenceReportPath = "/keepmesh.node.v1.Silence/Report";
export const longestSilenceReportBytes = 64 * 1024;

/** `silent` is all; an empty list takes back what was said before. */
export interface SilenceReport {
	/** Who listens. */
	readonly node: string;
	/** When its agent began, in milliseconds since the epoch. */
	readonly agentMs: number;
	/** Grows with each report of that agent. */
	readonly sequence: number;
	readonly silent: readonly SilentNode[];
}

export type DecodedSilence =
	| { readonly ok: true; readonly report: SilenceReport }
	| { readonly ok: false; readonly because: string };

export function encodeSilenceReport(report: SilenceReport): Uint8Array {
	return new TextEncoder().encode(JSON.stringify(report));
}

export function decodeSilenceReport(bytes: Uint8Array): DecodedSilence {
	let value: unknown;
	try {
		value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch (error) {
		return { ok: false, because: error instanceof Error ? error.message : String(error) };
	}
	const fields = mappingOf(value);
	if (!fields) return { ok: false, because: "the report is no object" };
	const { node, agentMs, sequence, silent } = fields;
	if (!isName(node)) return { ok: false, because: "node is no name" };
	if (!isCount(agentMs)) return { ok: false, because: "agentMs is no number from 0 on" };
	if (!isCount(sequence)) return { ok: false, because: "sequence is no number from 0 on" };
	if (!Array.isArray(silent)) return { ok: false, because: "silent is no list" };
	const nodes: SilentNode[] = [];
	for (const [index, one] of silent.entries()) {
		const { node: name, forMs } = mappingOf(one) ?? {};
		if (!isName(name) || !isCount(forMs)) return { ok: false, because: `silent[${index}] is no node with a time` };
		nodes.push({ node: name, forMs });
	}
	return { ok: true, report: { node, agentMs, sequence, silent: nodes } };
}

function mappingOf(value: unknown): Readonly<Record<string, unknown>> | undefined {
	const isMapping = typeof value === "object" && value !== null && !Array.isArray(value);
	return isMapping ? (value as Readonly<Record<string, unknown>>) : undefined;
}

function isName(value: unknown): value is string {
	return typeof value === "string" && value !== "" && value.length <= 253;
}

function isCount(value: unknown): value is number {
	return typeof value === "number" && Number.isFinite(value) && value >= 0;
}

// What a control plane knows of the pods' serving steps: the newest report of each node, while it lasts. Reports go in with the
// time of their arrival, a new board comes out; which pods a node may speak for is the caller's question.

import { type PodReport, reportLastsMs, type ServingReport } from "./serving-report.ts";

export interface NodeServing {
	readonly node: string;
	readonly agentMs: number;
	readonly sequence: number;
	readonly heardAtMs: number;
	readonly pods: readonly PodReport[];
}

/** By node. */
export type ServingBoard = ReadonlyMap<string, NodeServing>;

export const emptyServingBoard: ServingBoard = new Map();

/** The board as it was when the report is older than what is known of the node. */
export function withReport(board: ServingBoard, report: ServingReport, atMs: number): ServingBoard {
	const { node, agentMs, sequence, pods } = report;
	const known = board.get(node);
	if (known && (agentMs < known.agentMs || (agentMs === known.agentMs && sequence <= known.sequence))) return board;
	return new Map(board).set(node, { node, agentMs, sequence, pods, heardAtMs: atMs });
}

/** Without the nodes that have been silent for too long; the same board when there are none. */
export function withoutSilent(board: ServingBoard, atMs: number, lastsMs = reportLastsMs): ServingBoard {
	const heard = [...board].filter(([, { heardAtMs }]) => atMs - heardAtMs < lastsMs);
	return heard.length === board.size ? board : new Map(heard);
}

/** When the next node will have been silent for too long; undefined when no node has reported. */
export function nextExpiryMs(board: ServingBoard, lastsMs = reportLastsMs): number | undefined {
	const heard = [...board.values()].map(({ heardAtMs }) => heardAtMs);
	return heard.length === 0 ? undefined : Math.min(...heard) + lastsMs;
}

export type ReportedPod = PodReport & { readonly node: string; readonly heardAtMs: number };

/** What was said of a proxy last, with the time of its arrival; of several nodes the one heard last. */
export function podReportOf(board: ServingBoard, proxyId: string): ReportedPod | undefined {
	const known = indexes.get(board) ?? indexOf(board);
	indexes.set(board, known);
	return known.get(proxyId);
}

const indexes = new WeakMap<ServingBoard, ReadonlyMap<string, ReportedPod>>();

function indexOf(board: ServingBoard): ReadonlyMap<string, ReportedPod> {
	const lastHeardLast = [...board.values()].toSorted((a, b) => a.heardAtMs - b.heardAtMs);
	return new Map(
		lastHeardLast.flatMap(({ node, heardAtMs, pods }) =>
			pods.map((pod) => [pod.proxyId, { ...pod, node, heardAtMs }] as const),
		),
	);
}

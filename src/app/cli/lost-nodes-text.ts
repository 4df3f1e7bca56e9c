// What control planes say of nodes that send heartbeats, in words: GET /api/v1/lost-nodes of each of them.

import type { LostNodesStatus } from "../control/lost-nodes.ts";
import { askAll } from "./control-plane-client.ts";
import type { ApiOption } from "./find-control-planes.ts";
import { renderAge } from "./terminal.ts";

/** Of each control plane; none where there are no heartbeats: not on Kubernetes, or an older one. */
export async function fetchLostNodes(options: ApiOption): Promise<readonly LostNodesStatus[]> {
	const answers = await askAll<Partial<LostNodesStatus>>(options, "/api/v1/lost-nodes", { expect: [404, 503] });
	return answers.flatMap(({ answer: { held, lost, nodes, suspected } }) =>
		held && lost && nodes !== undefined && suspected ? [{ held, lost, nodes, suspected }] : [],
	);
}

export interface LostNodesLine {
	readonly isGood: boolean;
	readonly text: string;
}

/** Each control plane judges for itself: one that knows a node as lost is believed. */
export function lostNodesLines(all: readonly LostNodesStatus[], nowMs: number): readonly LostNodesLine[] {
	const nodes = Math.max(0, ...all.map((one) => one.nodes));
	if (nodes === 0) return [];
	const lost = new Map(all.flatMap((one) => one.lost).map((one) => [one.node, one]));
	const held = new Set(all.flatMap((one) => one.held));
	const lines: LostNodesLine[] = [...lost.values()].map(({ node, observers, sinceMs }) => ({
		isGood: false,
		text: `node ${node} is lost since ${renderAge(nowMs - sinceMs)}: not heard by ${observers.join(", ")}; its pods get no connections`,
	}));
	if (held.size > 0)
		lines.push({
			isGood: false,
			text: `nodes are silent, too many at once to be lost: ${[...held].sort().join(", ")}; is 15029/UDP open between the nodes?`,
		});
	if (lines.length === 0) lines.push({ isGood: true, text: `nodes: ${nodes} send heartbeats, none is lost` });
	return lines;
}

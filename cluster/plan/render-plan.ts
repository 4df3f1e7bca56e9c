// What `up --dry-run` prints: every command and every file of a start, in their order.

import type { ControlPlanePlan, NodePlan, PlannedFile } from "./cluster-plan.ts";

export function renderPlan(
	network: readonly string[],
	clusters: readonly { readonly controlPlane: ControlPlanePlan; readonly nodes: readonly NodePlan[] }[],
): string {
	const parts = clusters.flatMap(({ controlPlane, nodes }) => [
		...controlPlane.commands,
		...Object.values(controlPlane.startScripts).map(renderFile),
		...nodes.flatMap(({ commands, startScript, files }) => [...commands, ...[startScript, ...files].map(renderFile)]),
	]);
	return `${[...network, ...parts].join("\n")}\n`;
}

const renderFile = ({ path, text }: PlannedFile): string => `\n# ---- ${path}\n${text.trimEnd()}\n`;

// Ends everything of a set of clusters, also of one that was never fully up: processes, cgroups, network namespaces, files.

import { existsSync } from "node:fs";
import { namespacePath } from "./cluster-paths.ts";
import { endMachine } from "./machine-processes.ts";
import { type MachineShape, planSet } from "./plan/cluster-shape.ts";
import { runCommands } from "./run-plan.ts";
import { removeSetFiles, type SetRecord } from "./set-record.ts";

export async function setDown(record: SetRecord): Promise<void> {
	const machines = planSet(record.size).clusters.flatMap(({ controlPlane, nodes }) => [controlPlane, ...nodes]);
	await Promise.all(machines.map((machine) => endMachine(machine, record.hierarchies)));
	runCommands(machines.flatMap(removeNamespace));
	removeSetFiles(record.size.name);
}

export function removeNamespace(machine: MachineShape): readonly string[] {
	return existsSync(namespacePath(machine)) ? [`ip netns del ${machine.id}`] : [];
}

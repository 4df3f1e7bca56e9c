// Sets the logs of a set that is about to be removed aside, for whoever wants to know why it failed.

import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { machineDirectory, setDirectory } from "./cluster-paths.ts";
import type { SetShape } from "./plan/cluster-shape.ts";

/** The directory that has them: until the next failure. */
export function keepLogs(set: string, shape: SetShape): string {
	const target = `${setDirectory(set)}.failed`;
	rmSync(target, { recursive: true, force: true });
	mkdirSync(target, { recursive: true });
	for (const cluster of shape.clusters)
		for (const machine of [cluster.controlPlane, ...cluster.nodes]) {
			const logs = join(machineDirectory(set, cluster, machine), "logs");
			if (existsSync(logs)) renameSync(logs, join(target, machine.id));
		}
	return target;
}

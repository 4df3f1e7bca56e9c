// One drill on a real cluster, as an administrator types it. In: the cluster, the drill and its flags. Out: the figures of each run, and
// what was said beside them.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { checkout, kubeconfigPath, namespacePath } from "../../cluster/cluster-paths.ts";
import type { DrillFigures } from "../../src/lab/drill/drill.ts";
import type { TestCluster } from "./test-cluster.ts";

export interface Drilled {
	/** The run without a fault comes first. */
	readonly lines: readonly DrillFigures[];
	readonly said: string;
}

export async function drilled({ record, shape }: TestCluster, ...args: readonly string[]): Promise<Drilled> {
	const env = { ...process.env, KUBECONFIG: kubeconfigPath(record.size.name, shape) };
	const inCluster = [`--net=${namespacePath(shape.controlPlane)}`, "--", join(checkout, "keepmesh")];
	const command = [...inCluster, "drill", "--kubernetes", "--json", ...args];
	const child = spawn("nsenter", command, { env, stdio: ["ignore", "pipe", "pipe"], timeout: 240_000 });
	const [stdout, said] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
	const lines = stdout.split("\n").flatMap((line) => (line === "" ? [] : [JSON.parse(line) as DrillFigures]));
	return { lines, said };
}

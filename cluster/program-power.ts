// A program of the control plane dies, and starts again, for tests of what goes on without it.

import { readFileSync } from "node:fs";
import { ApiClient } from "./api-client.ts";
import { machineDirectory } from "./cluster-paths.ts";
import { processesOf } from "./machine-processes.ts";
import type { ControlPlaneProgram } from "./plan/control-plane-commands.ts";
import type { PlannedCluster } from "./plan-set.ts";
import type { SetRecord } from "./set-record.ts";
import { startProgram } from "./start-cluster.ts";
import { waitUntil } from "./wait-until.ts";

const withinMs = 60_000;

/** SIGKILL; resolves when it has ended. */
export async function programDown(
	record: SetRecord,
	{ cluster }: PlannedCluster,
	program: ControlPlaneProgram,
): Promise<void> {
	const find = (): readonly number[] =>
		processesOf(cluster.controlPlane, record.hierarchies).filter((pid) => programOf(pid) === program);
	for (const pid of find()) process.kill(pid, "SIGKILL");
	await waitUntil(`the end of ${program}`, async () => find().length === 0, { withinMs });
}

/** Resolves when it runs; kube-apiserver, when it is ready. One that runs is left alone. */
export async function programUp(
	record: SetRecord,
	{ cluster, controlPlane }: PlannedCluster,
	program: ControlPlaneProgram,
): Promise<void> {
	const set = record.size.name;
	const runs = processesOf(cluster.controlPlane, record.hierarchies).some((pid) => programOf(pid) === program);
	if (!runs) startProgram(set, cluster, controlPlane, program);
	if (program !== "kube-apiserver") return;
	const api = new ApiClient(set, cluster);
	const logs = machineDirectory(set, cluster, cluster.controlPlane);
	const isReady = async (): Promise<boolean> => (await api.request("GET", "/readyz")).status === 200;
	await waitUntil("API server", isReady, { withinMs, hint: `logs: ${logs}/logs` });
}

function programOf(pid: number): string | undefined {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0]?.split("/").at(-1);
	} catch {
		return undefined;
	}
}

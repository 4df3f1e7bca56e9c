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

const withinMs = 120_000;
/**
 * Where there are several of each, one that cannot renew its lease ends by itself, and another one begins. Those here elect no leader:
 * they would stay, and ask a server that is back only after client-go's pauses, up to a minute later.
 */
const endWithTheirServer: readonly ControlPlaneProgram[] = ["kube-controller-manager", "kube-scheduler"];

/** SIGKILL; resolves when it has ended. */
export async function programDown(
	record: SetRecord,
	planned: PlannedCluster,
	program: ControlPlaneProgram,
): Promise<void> {
	for (const pid of pidsOf(record, planned, program)) process.kill(pid, "SIGKILL");
	const hasEnded = async (): Promise<boolean> => pidsOf(record, planned, program).length === 0;
	await waitUntil(`the end of ${program}`, hasEnded, { withinMs });
}

/** Resolves when it runs; kube-apiserver, when it is ready, and controllers and scheduler begin anew. One that runs is left alone. */
export async function programUp(
	record: SetRecord,
	planned: PlannedCluster,
	program: ControlPlaneProgram,
): Promise<void> {
	const { cluster, controlPlane } = planned;
	const set = record.size.name;
	if (pidsOf(record, planned, program).length > 0) return;
	startProgram(set, cluster, controlPlane, program);
	if (program !== "kube-apiserver") return;
	const api = new ApiClient(set, cluster);
	const logs = machineDirectory(set, cluster, cluster.controlPlane);
	const isReady = async (): Promise<boolean> => (await api.request("GET", "/readyz")).status === 200;
	await waitUntil("API server", isReady, { withinMs, hint: `logs: ${logs}/logs` });
	for (const one of endWithTheirServer) {
		await programDown(record, planned, one);
		startProgram(set, cluster, controlPlane, one);
	}
}

function pidsOf(record: SetRecord, { cluster }: PlannedCluster, program: ControlPlaneProgram): readonly number[] {
	return processesOf(cluster.controlPlane, record.hierarchies).filter((pid) => programOf(pid) === program);
}

function programOf(pid: number): string | undefined {
	try {
		return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0]?.split("/").at(-1);
	} catch {
		return undefined;
	}
}

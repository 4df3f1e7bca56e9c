// Keepmesh's own processes on the nodes of a cluster, found without its API server, for tests of what goes on when they die. Kubelet starts
// them again by itself.

import { readFileSync } from "node:fs";
import { get } from "node:http";
import { connectInNamespace } from "../src/lab/namespace-socket.ts";
import { processesOf } from "./machine-processes.ts";
import type { PlannedCluster } from "./plan-set.ts";
import type { SetRecord } from "./set-record.ts";

export type KeepmeshPart = "control" | "node" | "vip";

const commands: Readonly<Record<KeepmeshPart, RegExp>> = {
	control: /\/keepmesh\.ts\0control\0--kubernetes/,
	node: /\/keepmesh\.ts\0node\0--kubernetes/,
	vip: /\/keepmesh\.ts\0vip\0run\0/,
};
const apiPort = 15_014;

/** Process ids, of all nodes. */
export function keepmeshProcesses(record: SetRecord, planned: PlannedCluster, part: KeepmeshPart): readonly number[] {
	return allProcesses(record, planned).filter((pid) => commands[part].test(read(pid, "cmdline")));
}

/** Of the Envoy of a pod, by the pod's uid. */
export function envoyOf(record: SetRecord, planned: PlannedCluster, uid: string): number | undefined {
	const marks = [uid, uid.replaceAll("-", "_")];
	return allProcesses(record, planned).find(
		(pid) => read(pid, "comm").trim() === "envoy" && marks.some((mark) => read(pid, "cgroup").includes(mark)),
	);
}

/** Whether the control plane of that process says that it serves. */
export async function isControlReady(pid: number): Promise<boolean> {
	const target = { host: "127.0.0.1", port: apiPort };
	const socket = await connectInNamespace(`/proc/${pid}/ns/net`, target, 1_000).catch(() => undefined);
	if (!socket) return false;
	return new Promise((resolve) => {
		socket.setTimeout(2_000, () => socket.destroy());
		const asked = get({ ...target, path: "/readyz", createConnection: () => socket }, (response) => {
			resolve(response.statusCode === 200);
			socket.destroy();
		});
		asked.on("error", () => resolve(false));
	});
}

function allProcesses({ hierarchies }: SetRecord, { nodes }: PlannedCluster): readonly number[] {
	return nodes.flatMap(({ node }) => processesOf(node, hierarchies));
}

/** Empty for one that has ended. */
function read(pid: number, file: "cmdline" | "comm" | "cgroup"): string {
	try {
		return readFileSync(`/proc/${pid}/${file}`, "latin1");
	} catch {
		return "";
	}
}

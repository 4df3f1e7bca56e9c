// Keepmesh's own processes on the nodes of a cluster, found without its API server, for tests of what goes on when they die. Kubelet starts
// them again by itself.

import { readFileSync } from "node:fs";
import { type HttpAnswer, requestInNamespace } from "../src/app/demo/namespace-request.ts";
import { processesOf } from "./machine-processes.ts";
import type { PlannedCluster } from "./plan-set.ts";
import type { SetRecord } from "./set-record.ts";

export type KeepmeshPart = "control" | "node" | "vip";

const commands: Readonly<Record<KeepmeshPart, RegExp>> = {
	control: /\/keepmesh\.ts\0control\0--kubernetes/,
	node: /\/keepmesh\.ts\0node\0--kubernetes/,
	vip: /\/keepmesh\.ts\0vip\0run\0/,
};
/** Where a process on a node says whether it serves; the agents' address is their pod's. */
const health = {
	control: { port: 15_014, path: "/readyz" },
	vip: { port: 15_112, path: "/ready" },
} as const;

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

/** Whether that process says that it serves. */
export async function isReady(part: keyof typeof health, pid: number): Promise<boolean> {
	const { path, port } = health[part];
	return (await ask(pid, port, path)).status === 200;
}

/** All metrics of a control plane, as lines; empty when it does not answer. */
export async function metricsOf(pid: number): Promise<readonly string[]> {
	return (await ask(pid, health.control.port, "/metrics")).text.split("\n");
}

/** A GET from where the process is; status 0: no answer. */
function ask(pid: number, port: number, path: string): Promise<HttpAnswer> {
	const target = { netns: `/proc/${pid}/ns/net`, host: "127.0.0.1", port };
	return requestInNamespace(target, path, { timeoutMs: 2_000 }).catch(() => ({ status: 0, text: "" }));
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

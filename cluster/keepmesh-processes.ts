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

/** A GET from within the network namespace of the process; status 0: no answer. */
async function ask(
	pid: number,
	port: number,
	path: string,
): Promise<{ readonly status: number; readonly text: string }> {
	const none = { status: 0, text: "" };
	const target = { host: "127.0.0.1", port };
	const socket = await connectInNamespace(`/proc/${pid}/ns/net`, target, 1_000).catch(() => undefined);
	if (!socket) return none;
	return new Promise((resolve) => {
		socket.setTimeout(2_000, () => socket.destroy());
		socket.on("close", () => resolve(none));
		const asked = get({ ...target, path, createConnection: () => socket }, (response) => {
			let text = "";
			response.setEncoding("utf8").on("data", (part: string) => {
				text += part;
			});
			response.on("end", () => {
				resolve({ status: response.statusCode ?? 0, text });
				socket.destroy();
			});
		});
		asked.on("error", () => resolve(none));
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

// Orders of a pod that sees all processes of its node: a container of another pod gets a signal, or a program runs in a pod's network
// namespace. In: a pod's uid, as its control group is named. Kubelet starts what was killed again.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import type { OrderGroup } from "./order-group.ts";

export type ProcessOrder =
	/** To the first process of a container; `container`: its id, absent: the pod's only one. */
	| { readonly order: "signal"; readonly uid: string; readonly container?: string; readonly signal: NodeJS.Signals }
	/** In the network namespace of a pod, or of the node. Answers with code, stdout and stderr. */
	| {
			readonly order: "run";
			readonly netnsOf: string | "node";
			readonly argv: readonly string[];
			readonly input?: string;
	  };

export const processOrders: OrderGroup<ProcessOrder> = {
	signal: ({ container, signal, uid }) => {
		const pid = containerProcess(uid, container);
		const atUs = monotonicUs();
		process.kill(pid, signal);
		return { atUs, pid };
	},
	run: ({ argv, input, netnsOf }) => runIn(netnsPathOf(netnsOf), argv, input),
};

/** Also while none of the pod's containers runs, where a process keeps its namespaces. */
export function netnsPathOf(uid: string | "node"): string {
	if (uid === "node") return "/proc/1/ns/net";
	const keeper = processesOf(uid, "").find(({ program }) => program === "pause")?.pid;
	return `/proc/${keeper ?? containerProcess(uid)}/ns/net`;
}

/** Its first process: the one whose parent is not of the container. Throws when none runs. */
export function containerProcess(uid: string, container = ""): number {
	const found = processesOf(uid, container).filter(({ program }) => program !== "pause");
	const first = found.find(({ parent }) => !found.some(({ pid }) => pid === parent));
	if (first === undefined) throw new Error(`no process of pod ${uid} runs on this node`);
	return first.pid;
}

interface SeenProcess {
	readonly pid: number;
	readonly parent: number;
	/** `pause`: it keeps the pod's namespaces. */
	readonly program: string;
}

function processesOf(uid: string, container: string): readonly SeenProcess[] {
	// systemd's slices have no hyphens in their names.
	const marks = [uid, uid.replaceAll("-", "_")];
	return readdirSync("/proc").flatMap((name) => {
		if (!/^\d+$/.test(name)) return [];
		try {
			const groups = readFileSync(`/proc/${name}/cgroup`, "latin1");
			if (!marks.some((mark) => groups.includes(mark)) || !groups.includes(container)) return [];
			const [program = "", , parent = "0"] =
				/\((.*)\) (\S) (\d+)/s.exec(readFileSync(`/proc/${name}/stat`, "latin1"))?.slice(1) ?? [];
			return [{ pid: Number(name), parent: Number(parent), program }];
		} catch {
			// It has ended.
			return [];
		}
	});
}

function runIn(netns: string, argv: readonly string[], input = ""): Promise<object> {
	return new Promise((resolve, reject) => {
		const child = spawn("nsenter", [`--net=${netns}`, "--", ...argv], { stdio: ["pipe", "pipe", "pipe"] });
		let stdout = "";
		let stderr = "";
		child.stdout.setEncoding("utf8").on("data", (text: string) => {
			stdout += text;
		});
		child.stderr.setEncoding("utf8").on("data", (text: string) => {
			stderr += text;
		});
		child.once("error", reject);
		child.once("close", (code) => resolve({ code, stdout, stderr }));
		child.stdin.on("error", () => {}).end(input);
	});
}

// Limits of this process and of the control group that it is in (proc(5), cgroups v1 and v2).

import type { HostFacts } from "../host-facts.ts";
import type { MachineRoot } from "./machine-root.ts";

type Limits = Pick<HostFacts, "openFiles" | "realTimePriority" | "capabilities" | "openFilesOfAll">;

export function readLimits(root: MachineRoot): Limits {
	const limits = root.read("proc/self/limits") ?? "";
	const files = /^Max open files\s+(\S+)\s+(\S+)/m.exec(limits);
	const realTime = /^Max realtime priority\s+(\d+)/m.exec(limits);
	const capabilities = /^CapEff:\s+([0-9a-f]+)/m.exec(root.read("proc/self/status") ?? "");
	const [used, , most] = (root.read("proc/sys/fs/file-nr") ?? "").trim().split(/\s+/).map(Number);
	return {
		...(files ? { openFiles: { soft: limitOf(files[1]), hard: limitOf(files[2]) } } : {}),
		...(realTime ? { realTimePriority: Number(realTime[1]) } : {}),
		...(capabilities ? { capabilities: BigInt(`0x${capabilities[1]}`) } : {}),
		...(used !== undefined && most !== undefined ? { openFilesOfAll: { used, most } } : {}),
	};
}

/** The narrowest on the way up; absent when nothing limits. */
export function readCgroupLimits(root: MachineRoot): Pick<HostFacts, "memoryLimitBytes" | "processLimit"> {
	const memory: number[] = [];
	const processes: number[] = [];
	for (const line of (root.read("proc/self/cgroup") ?? "").trim().split("\n")) {
		const [, controllers, path = "/"] = line.split(":");
		if (controllers === "")
			for (const directory of upwards(`sys/fs/cgroup${path}`, "sys/fs/cgroup")) {
				memory.push(limitValue(root.read(`${directory}/memory.max`)));
				processes.push(limitValue(root.read(`${directory}/pids.max`)));
			}
		else if (controllers === "memory")
			for (const directory of upwards(`sys/fs/cgroup/memory${path}`, "sys/fs/cgroup/memory"))
				memory.push(limitValue(root.read(`${directory}/memory.limit_in_bytes`)));
		else if (controllers === "pids")
			for (const directory of upwards(`sys/fs/cgroup/pids${path}`, "sys/fs/cgroup/pids"))
				processes.push(limitValue(root.read(`${directory}/pids.max`)));
	}
	const memoryLimitBytes = Math.min(...memory);
	const processLimit = Math.min(...processes);
	return {
		// Version 1 writes "no limit" as the largest number of pages.
		...(memoryLimitBytes < 2 ** 60 ? { memoryLimitBytes } : {}),
		...(Number.isFinite(processLimit) ? { processLimit } : {}),
	};
}

function upwards(directory: string, top: string): readonly string[] {
	const found: string[] = [];
	for (let at = directory.replace(/\/+$/, ""); at.length >= top.length; at = at.slice(0, at.lastIndexOf("/")))
		found.push(at);
	return found;
}

const limitValue = (text: string | undefined): number =>
	text === undefined || text.trim() === "max" ? Number.POSITIVE_INFINITY : Number(text);

const limitOf = (text: string | undefined): number => (text === "unlimited" ? Number.POSITIVE_INFINITY : Number(text));

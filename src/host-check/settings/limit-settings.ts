// How much one process, or the machine, may have. Values: getrlimit(2), sched(7), inotify(7); who recommends them is named.

import type { Setting } from "../setting.ts";

/** Two descriptors for each proxied connection: 32,000 of them. */
const wantedFiles = 65_536;
const mebibyte = 1024 * 1024;

const capSysNice = 23n;

export const limitSettings: readonly Setting[] = [
	{
		id: "limit.open-files",
		label: "open files (hard limit)",
		roles: ["control", "node", "l4"],
		judge: ({ openFiles }) => {
			if (!openFiles) return undefined;
			const is = String(openFiles.hard);
			const shouldBe = `>= ${wantedFiles}`;
			if (openFiles.hard >= wantedFiles) return { level: "ok", is, shouldBe };
			return {
				level: "should",
				is,
				shouldBe,
				remedy: "LimitNOFILE=1048576 in the unit, or nofile in /etc/security/limits.d, or ulimit -Hn",
			};
		},
		fault: "connections are refused: too many open files",
		detail:
			"A proxied connection takes two descriptors, so 65,536 carry some 32,000. Node raises its soft limit to the hard one by itself, and Envoy inherits it.",
	},
	{
		id: "fs.file-max",
		label: "fs.file-max",
		roles: ["control", "node", "l4"],
		judge: ({ openFilesOfAll }) => {
			if (!openFilesOfAll) return undefined;
			const { used, most } = openFilesOfAll;
			const level = used > most * 0.8 ? "must" : "ok";
			return {
				level,
				is: `${used} of ${most}`,
				shouldBe: `< ${Math.floor(most * 0.8)}`,
				remedy: `sysctl -w fs.file-max=${most * 2}`,
			};
		},
		fault: "no process of the machine can open a file",
		detail:
			"Files open on the whole machine (/proc/sys/fs/file-nr). The kernel sizes the limit by its memory, so only a nearly full table says that it is too small.",
	},
	{
		key: "fs/inotify/max_user_instances",
		label: "inotify instances",
		roles: ["control", "node"],
		level: "should",
		expect: () => ({ type: "atLeast", value: 512 }),
		fault: "changed files are not noticed: too many open files",
		detail:
			"Each process that watches files takes one, all of a user's together; 128 by default. kind's documentation asks for 512 where many daemons share a user.",
	},
	{
		key: "fs/inotify/max_user_watches",
		label: "inotify watches",
		roles: ["control", "node"],
		level: "should",
		expect: ({ memoryBytes }) => ({ type: "atLeast", value: memoryBytes >= 4 * 1024 * mebibyte ? 65_536 : 8192 }),
		fault: "changed files are not noticed: no space left on device",
		detail:
			"One for each watched directory or file. The kernel's default grows with the memory since 5.11 (1 % of it), and was 8,192 before; kind asks for 524,288.",
	},
	{
		id: "limit.real-time",
		label: "real-time scheduling",
		roles: ["vip"],
		judge: ({ capabilities, realTimePriority }) => {
			if (capabilities === undefined) return undefined;
			if ((capabilities >> capSysNice) & 1n) return { level: "ok", is: "CAP_SYS_NICE", shouldBe: "allowed" };
			if ((realTimePriority ?? 0) > 0) return { level: "ok", is: `rtprio ${realTimePriority}`, shouldBe: "allowed" };
			return {
				level: "should",
				is: "not allowed",
				shouldBe: "allowed",
				remedy: "root, or AmbientCapabilities=CAP_SYS_NICE or LimitRTPRIO=50 in the unit",
			};
		},
		fault: "on a busy machine adverts are late and others take over",
		detail:
			"The loop that sends adverts runs under SCHED_FIFO where it may (sched(7)); where not, use intervals of 100 ms and more.",
	},
	{
		id: "kernel.sched_rt_runtime_us",
		label: "sched_rt_runtime_us",
		roles: ["vip"],
		judge: ({ sysctls }) => {
			const value = sysctls.get("kernel/sched_rt_runtime_us");
			if (value === undefined) return undefined;
			const shouldBe = "> 0 or -1";
			return Number(value) === 0
				? { level: "must", is: value, shouldBe, remedy: "sysctl -w kernel.sched_rt_runtime_us=950000" }
				: { level: "ok", is: value, shouldBe };
		},
		fault: "real-time threads never run: no advert is sent",
		detail:
			"Microseconds of each period (1 s by default) that real-time threads may use; 950,000 by default. 0 stops them all.",
	},
	{
		id: "kernel.preemption",
		label: "kernel preemption",
		roles: ["vip"],
		judge: ({ preemption }) => {
			if (preemption === undefined) return undefined;
			const shouldBe = "full or lazy";
			return preemption === "none" || preemption === "voluntary"
				? { level: "should", is: preemption, shouldBe, remedy: "preempt=full on the kernel's command line" }
				: { level: "ok", is: preemption, shouldBe };
		},
		fault: "adverts wait for others' system calls: a peer takes over",
		detail:
			"Without preemption a CPU in a system call is nobody else's, not even a real-time thread's. Large changes of nftables take 0.2 s to seconds. Kernels with PREEMPT_DYNAMIC take preempt=full (or lazy, since 6.13).",
	},
	{
		id: "limit.memory",
		label: "memory limit (cgroup)",
		roles: ["control", "node", "l4"],
		judge: ({ memoryLimitBytes }) => {
			if (memoryLimitBytes === undefined) return undefined;
			const is = `${Math.round(memoryLimitBytes / mebibyte)} MiB`;
			const shouldBe = ">= 512 MiB";
			return memoryLimitBytes < 512 * mebibyte
				? { level: "should", is, shouldBe, remedy: "MemoryMax= of the unit, or the container's limit" }
				: { level: "ok", is, shouldBe };
		},
		fault: "the kernel kills the process when it grows",
		detail: "Layer 4 with 10,000 services is meant to need at most 300 MB, and a Node process begins with some 80.",
	},
	{
		id: "limit.processes",
		label: "process limit (cgroup)",
		roles: ["control", "node", "vip", "l4"],
		judge: ({ processLimit }) => {
			if (processLimit === undefined) return undefined;
			const is = String(processLimit);
			return processLimit < 256
				? { level: "should", is, shouldBe: ">= 256", remedy: "TasksMax= of the unit, or the container's pids limit" }
				: { level: "ok", is, shouldBe: ">= 256" };
		},
		fault: "Envoy or a check cannot be started",
		detail: "Threads count as well: Node has about a dozen, Envoy two for each core and a few more.",
	},
];

// How far the kernel lets one thread take a CPU from another that is inside a system call. In: what /proc, /sys and /boot tell.
// Out: the model in force; undefined where nobody tells (Kconfig.preempt, and `preempt=` of the kernel's command line).

import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import type { HostFacts } from "../host-facts.ts";
import type { MachineRoot } from "./machine-root.ts";

type Preemption = NonNullable<HostFacts["preemption"]>;

export function readPreemption(root: MachineRoot, release: string): Preemption | undefined {
	const version = root.read("proc/version") ?? "";
	if (/\bPREEMPT_RT\b/.test(version)) return "realtime";
	const inForce =
		/\((\w+)\)/.exec(root.read("sys/kernel/debug/sched/preempt") ?? "") ??
		/\bpreempt=(\w+)/.exec(root.read("proc/cmdline") ?? "");
	const named = modelNamed(inForce?.[1]);
	if (named) return named;
	if (/\bPREEMPT\b/.test(version)) return "full";
	const config = packedConfig(root) ?? root.read(`boot/config-${release}`) ?? "";
	if (/^CONFIG_PREEMPT=y/m.test(config)) return "full";
	return modelNamed(/^CONFIG_PREEMPT_(NONE|VOLUNTARY|LAZY)=y/m.exec(config)?.[1]?.toLowerCase());
}

function modelNamed(name: string | undefined): Preemption | undefined {
	return name === "none" || name === "voluntary" || name === "full" || name === "lazy" ? name : undefined;
}

function packedConfig(root: MachineRoot): string | undefined {
	try {
		return gunzipSync(readFileSync(root.path("proc/config.gz"))).toString("utf8");
	} catch {
		return undefined;
	}
}

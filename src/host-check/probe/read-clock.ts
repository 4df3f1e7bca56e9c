// Whether somebody keeps this machine's clock right.

import { runCommand } from "../../kernel/run-command.ts";
import type { HostFacts } from "../host-facts.ts";
import type { MachineRoot } from "./machine-root.ts";

/** systemd-timesyncd leaves a mark; others are asked for through timedatectl, which asks the kernel. */
export async function readClock(root: MachineRoot): Promise<HostFacts["clock"]> {
	if (root.list("run/systemd/timesync").includes("synchronized")) return "synchronised";
	if (!root.isMachine) return "unknown";
	const asked = await runCommand("timedatectl", ["show", "--property=NTPSynchronized", "--value"], { timeoutMs: 2000 });
	const answer = asked.code === 0 ? asked.stdout.trim() : "";
	return answer === "yes" ? "synchronised" : answer === "no" ? "free" : "unknown";
}

// Carries a network plan out, and takes a lab's namespaces away again with everything that runs in them.

import { readdirSync } from "node:fs";
import { runCommand } from "../kernel/run-command.ts";
import { killInNamespaces } from "./namespace-processes.ts";
import {
	clientSysctls,
	type IpBatch,
	type LabHost,
	type LabNetwork,
	namespacePrefix,
	nodeSysctls,
	type PodLink,
	planNetworkUp,
	planPodUp,
} from "./plan/lab-network.ts";

export const netnsDirectory = "/run/netns";

export function netnsPath(netns: string): string {
	return `${netnsDirectory}/${netns}`;
}

export async function bringNetworkUp(network: LabNetwork): Promise<void> {
	await runSteps(planNetworkUp(network));
	await Promise.all([
		applySysctls(network.client, clientSysctls),
		...network.nodes.map((node) => applySysctls(node, nodeSysctls)),
	]);
}

async function applySysctls(host: LabHost, settings: typeof nodeSysctls): Promise<void> {
	const script = settings.map(([path, value]) => `echo ${value} >/proc/sys/net/${path}`).join(" && ");
	const result = await runCommand("nsenter", [`--net=${netnsPath(host.netns)}`, "sh", "-c", script]);
	if (result.code !== 0) throw new Error(`${host.name} cannot be set up: ${result.stderr.trim()}`);
}

/** Throws with the line that failed. */
export async function runSteps(steps: readonly (readonly IpBatch[])[]): Promise<void> {
	for (const step of steps) await Promise.all(step.map(runBatch));
}

async function runBatch(batch: IpBatch): Promise<void> {
	const where = batch.netns === "" ? [] : ["-n", batch.netns];
	const result = await runCommand("ip", [...where, "-batch", "-"], { input: `${batch.lines.join("\n")}\n` });
	if (result.code === 0) return;
	const failed = Number(/Command failed -:(\d+)/.exec(result.stderr)?.[1] ?? 1);
	throw new Error(`ip ${where.join(" ")} ${batch.lines[failed - 1]}: ${result.stderr.trim().split("\n")[0]}`);
}

/** Names of the namespaces that a lab of this name has on this machine, whoever made them. */
export function namespacesOf(labName: string): readonly string[] {
	const prefix = namespacePrefix(labName);
	try {
		return readdirSync(netnsDirectory).filter((name) => name.startsWith(prefix));
	} catch {
		return [];
	}
}

/** Kills what runs in the namespaces, then removes them. Harmless when they are gone. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
	if (names.length === 0) return;
	await killInNamespaces(names.map(netnsPath));
	await runCommand("ip", ["-force", "-batch", "-"], {
		input: names.map((name) => `netns del ${name}\n`).join(""),
	});
}

/** A pod's namespace, its address and its way out. */
export async function bringPodUp(pod: PodLink): Promise<void> {
	await runSteps(planPodUp(pod));
}

// What breaks a node of a lab in one blow: its virtual-IP process with all that it started is killed, its cable pulled.

import { readdirSync, readFileSync } from "node:fs";
import { runCommand } from "../kernel/run-command.ts";
import type { Lab } from "./lab.ts";
import { namespacePrefix } from "./plan/lab-network.ts";

/** Rejects when the process does not run. */
export async function crashVirtualIpNode(lab: Lab, node: string): Promise<void> {
	const { processes } = await lab.status();
	const pid = processes.find(({ name }) => name === `vip-${node}`)?.pid;
	if (pid === undefined) throw new Error(`vip-${node} does not run`);
	// The cable first: what is killed would go on answering until a busy machine has pulled it.
	await setPort(lab, node, "down");
	for (const one of [...childrenOf(pid), pid]) process.kill(one, "SIGKILL");
}

/** `ip link set` words for the node's end in the lab's switch: `up`, `type bridge_slave isolated on`. */
export async function setPort(lab: Lab, node: string, words: string): Promise<void> {
	const fabric = `${namespacePrefix(lab.name)}fabric`;
	const { code, stderr } = await runCommand("ip", ["-n", fabric, "link", "set", node, ...words.split(" ")]);
	if (code !== 0) throw new Error(stderr.trim());
}

/** Processes that a process started, and that those did; the youngest generation first. */
export function childrenOf(pid: number): readonly number[] {
	try {
		return readdirSync(`/proc/${pid}/task`)
			.flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, "utf8").split(" "))
			.filter((text) => text.trim() !== "")
			.flatMap((text) => [...childrenOf(Number(text)), Number(text)]);
	} catch {
		return [];
	}
}

// keepmesh restart-proxy: the Envoy of a pod, or of all pods of a node, hands over to a new one, with the program and the start
// configuration of now. Connections are not refused meanwhile; those of the old one are closed by a budget.

import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import type { PodStatus } from "../../node/node-agent.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { askNode, findNodes, type NodesOption, podsOf, withNodesOption } from "./find-nodes.ts";
import { podsOn, type SwitchedPod } from "./switched-pods.ts";
import { say } from "./terminal.ts";

interface Flags extends NodesOption {
	readonly all?: boolean;
	readonly namespace?: string;
	readonly reason: string;
}

const limitMs = 90_000;

export function restartProxyCommand(): Command {
	return withNodesOption(new Command("restart-proxy"))
		.description("Starts another Envoy beside a pod's own, which hands over to it: no connection is refused.")
		.argument("[target]", "a pod (NAME or NAMESPACE/NAME), or a node with all of its pods")
		.option("--all", "all pods of all nodes that are found, one after the other")
		.option("-n, --namespace <name>", "of the pod")
		.option("--reason <text>", "why; logged and shown", "restarted by hand")
		.action(restartProxies);
}

async function restartProxies(target: string | undefined, flags: Flags): Promise<void> {
	if ((target === undefined) === (flags.all !== true))
		throw new CliError(exitCodes.usage, "say which pods: POD, NODE or --all", "keepmesh restart-proxy --help");
	const nodes = await findNodes(flags);
	const chosen = (await podsOn(nodes)).filter(({ node, pod }) => {
		if (target === undefined || node.name === target) return true;
		if ([pod.uid, `${pod.namespace}/${pod.name}`].includes(target)) return true;
		return pod.name === target && (flags.namespace === undefined || pod.namespace === flags.namespace);
	});
	if (chosen.length === 0)
		throw new CliError(exitCodes.failure, `there is no pod and no node ${target} here`, "keepmesh bypass --list --all");
	for (const one of chosen) {
		const startedMs = performance.now();
		await restart(one, flags.reason);
		say(`${one.pod.namespace}/${one.pod.name}: another Envoy after ${Math.round(performance.now() - startedMs)} ms`);
	}
}

/** Resolves when the other Envoy has taken over. */
async function restart({ node, pod }: SwitchedPod, why: string): Promise<void> {
	const name = `${pod.namespace}/${pod.name}`;
	const failed = (because: string): CliError =>
		new CliError(exitCodes.failure, `${name} keeps its Envoy: ${because}`, `see ${pod.log}`);
	const query = new URLSearchParams({ why, wait: "false" });
	const path = `/v1/pods/${encodeURIComponent(pod.uid)}/replace-proxy?${query}`;
	const { status, body } = await askNode<PodStatus>(node, "POST", path);
	if (status !== 202) throw failed(body.because ?? `status ${status}`);
	for (const untilMs = performance.now() + limitMs; performance.now() < untilMs; await sleep(100)) {
		const now = (await podsOf(node)).find(({ uid }) => uid === pod.uid);
		if (!now) throw failed("the pod has gone");
		if (now.pid !== pod.pid) return;
		if (now.handover?.phase === "idle") throw failed(now.handover.last?.because ?? "it was given up");
	}
	throw failed(`the new one was not ready within ${limitMs / 1000} s`);
}

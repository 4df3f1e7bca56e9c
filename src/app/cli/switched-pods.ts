// The pods that `keepmesh bypass` and `keepmesh restore` are about. In: POD, NODE or --all. Out: each with the node that serves
// it; a name that fits nothing, or several things, is a usage error.

import type { PodStatus } from "../../node/node-agent.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type NodePlace, podsOf } from "./find-nodes.ts";
import { say } from "./terminal.ts";

export interface SwitchedPod {
	readonly node: NodePlace;
	readonly pod: PodStatus;
}

export interface Chosen {
	readonly pods: readonly SwitchedPod[];
	/** One pod was named, rather than all that there are. */
	readonly isNamed: boolean;
}

/** Nodes that do not answer are named on stderr; when none answers it throws. */
export async function podsOn(nodes: readonly NodePlace[]): Promise<readonly SwitchedPod[]> {
	const answers = await Promise.allSettled(nodes.map(async (node) => ({ node, pods: await podsOf(node) })));
	const failures = answers.filter((answer) => answer.status === "rejected");
	const [first] = failures;
	if (first && failures.length === answers.length) throw first.reason;
	for (const { reason } of failures) say(`${String((reason as Error).message)}; its pods are missing here`);
	return answers.flatMap((answer) =>
		answer.status === "fulfilled" ? answer.value.pods.map((pod) => ({ node: answer.value.node, pod })) : [],
	);
}

/** `target`: `reviews-v1-abc`, `NAMESPACE/NAME`, a uid, or a node's name. Without one: all. */
export function choosePods(
	target: string | undefined,
	namespace: string | undefined,
	all: readonly SwitchedPod[],
	nodes: readonly NodePlace[],
): Chosen {
	const switched = all.filter(({ pod }) => pod.servingStep !== undefined);
	if (target === undefined) return { pods: switched, isNamed: false };
	const named = all.filter(
		({ pod }) =>
			[pod.uid, `${pod.namespace}/${pod.name}`].includes(target) ||
			(pod.name === target && (namespace === undefined || pod.namespace === namespace)),
	);
	const node = nodes.find(({ name }) => name === target);
	const ways = (node ? 1 : 0) + named.length;
	if (ways === 0)
		throw new CliError(exitCodes.failure, `there is no pod and no node ${target} here`, "keepmesh bypass --list --all");
	if (ways > 1) {
		const found = [
			...(node ? [`node ${node.name}`] : []),
			...named.map(({ pod }) => `pod ${pod.namespace}/${pod.name}`),
		];
		throw new CliError(exitCodes.usage, `${target} may be ${found.join(", or ")}`, "say NAMESPACE/NAME of the pod");
	}
	if (node) return { pods: switched.filter((one) => one.node === node), isNamed: false };
	const [only] = named;
	if (only?.pod.servingStep === undefined)
		throw new CliError(
			exitCodes.failure,
			`${target} has no hot-switch: its node runs without one, or its proxy is no sidecar with a redirect`,
			"keepmesh node --help",
		);
	return { pods: named, isNamed: true };
}

// The pods of a drill: who is ready, and what the agent of its node knows of its Envoy.

import { join } from "node:path";
import type { ServingStep } from "../../hotswitch/serving-step.ts";
import type { Lab, RunningPod } from "../../lab/lab.ts";
import { runDirectory } from "../../lab/lab-record.ts";
import { callAgent } from "../../lab/node-agent-client.ts";
import { requestInNamespace } from "../demo/namespace-request.ts";

/** Of `GET /v1/pods` of a node's agent. */
export interface AgentPod {
	readonly uid: string;
	readonly name: string;
	readonly namespace: string;
	readonly ready: boolean;
	/** Of its Envoy; absent while none runs. */
	readonly pid?: number;
	readonly restarts: number;
	/** Absent without a hot-switch. */
	readonly servingStep?: ServingStep;
	readonly servingBecause?: string;
	/** The node's spare Envoy could take its connections. */
	readonly spareReady?: boolean;
}

const patienceMs = 20_000;

/** Pods of an app that are ready and stay. */
export async function podsOf(lab: Lab, app: string): Promise<readonly RunningPod[]> {
	return (await lab.pods()).filter(
		(pod) => pod.labels.app === app && pod.readySinceMs !== undefined && pod.deletedMs === undefined,
	);
}

/** The first of them; rejects when there is none. */
export async function podOf(lab: Lab, app: string): Promise<RunningPod> {
	const [pod] = await podsOf(lab, app);
	if (!pod) throw new Error(`no pod of ${app} is ready`);
	return pod;
}

/** The agent's own API: `askAgent(lab, "node-1", "POST", "/v1/pods/UID/restore?by=me")`. Waits for an agent that is starting. */
export async function askAgent<Answer>(lab: Lab, node: string, method: string, path: string): Promise<Answer> {
	const answer = await callAgent(join(runDirectory(lab.name), node), { method, path }, AbortSignal.timeout(patienceMs));
	if (!answer.ok) throw new Error(`${node}: ${answer.because}`);
	return answer.body as Answer;
}

/** All pods that the node's agent has. */
export async function podsOfAgent(lab: Lab, node: string): Promise<readonly AgentPod[]> {
	return (await askAgent<{ readonly pods: readonly AgentPod[] }>(lab, node, "GET", "/v1/pods")).pods;
}

/** What its agent says of a pod. */
export async function agentPodOf(lab: Lab, pod: Pick<RunningPod, "name" | "namespace" | "node">): Promise<AgentPod> {
	const found = (await podsOfAgent(lab, pod.node)).find(
		({ name, namespace }) => name === pod.name && namespace === pod.namespace,
	);
	if (!found) throw new Error(`the agent of ${pod.node} has no pod ${pod.name}`);
	return found;
}

/** The process id of a pod's Envoy. */
export async function envoyPidOf(lab: Lab, pod: Pick<RunningPod, "name" | "namespace" | "node">): Promise<number> {
	const { pid } = await agentPodOf(lab, pod);
	if (pid === undefined) throw new Error(`no Envoy runs for ${pod.name}`);
	return pid;
}

/** Of its containers together. */
export function restartsOf(pod: RunningPod): number {
	return pod.containers.reduce((sum, container) => sum + container.restarts, 0);
}

/** A service of the namespace `default`. */
export function nameOf(service: string): string {
	return `${service}.default.svc.cluster.local`;
}

/** As the pod hears it. Looked up once: a drill of proxies is not to measure names. */
export async function addressIn(lab: Lab, pod: RunningPod, service: string): Promise<string> {
	const { stdout } = await lab.execIn(pod.name, ["getent", "ahostsv4", nameOf(service)]);
	const [address = ""] = stdout.split(/\s/);
	if (address === "") throw new Error(`${service} is no name in ${pod.name}`);
	return address;
}

export function answers(from: RunningPod, host: string, port: number): Promise<boolean> {
	return requestInNamespace({ netns: from.netns, host, port }, "/get", { timeoutMs: 2_000 }).then(
		({ status }) => status === 200,
		() => false,
	);
}

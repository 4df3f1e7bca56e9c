// Orders of a pod that reaches its node's agent: to ask it of pods, and to break a pod's Envoy, if need be together with the agent.

import { request } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import { agentDirectory } from "./drill-order.ts";
import type { OrderGroup } from "./order-group.ts";
import { containerProcess } from "./peer-process.ts";
import { textOf } from "./text-of.ts";

export type AgentOrder =
	/** All pods that the agent has: `{ pods: AgentPod[] }`. */
	| { readonly order: "pods" }
	/** SIGKILL or SIGSTOP to the Envoy of a pod; `agent`: its own Pod and container, which is killed just before. */
	| {
			readonly order: "break";
			readonly uid: string;
			readonly signal: "SIGKILL" | "SIGSTOP";
			readonly agent?: { readonly uid: string; readonly container: string };
	  }
	/** `off` the sidecar, `on` a sidecar that is another process than `pid`, on the `spare`, or `spareReady`: it could be. */
	| {
			readonly order: "until";
			readonly uid: string;
			readonly step: "off" | "on" | "spare" | "spareReady";
			readonly pid: number;
			readonly withinMs: number;
	  };

/** What the agent says of a pod: of its `GET /v1/pods`. */
export interface AgentPod {
	readonly uid: string;
	readonly name: string;
	readonly namespace: string;
	/** Of its Envoy; absent while none runs. */
	readonly pid?: number;
	readonly ready: boolean;
	readonly restarts: number;
	/** Absent without a hot-switch. */
	readonly servingStep?: string;
	readonly servingBecause?: string;
	readonly spareReady?: boolean;
}

const lookMs = 5;
const noAgentMs = 50;

export const agentOrders: OrderGroup<AgentOrder> = {
	pods: () => askAgent<object>("/v1/pods"),
	break: async ({ agent, signal, uid }) => {
		const { pid } = await agentPod(uid);
		if (pid === undefined) throw new Error("its agent knows no Envoy of the pod");
		const agentPid = agent === undefined ? undefined : containerProcess(agent.uid, agent.container);
		if (agentPid !== undefined) process.kill(agentPid, "SIGKILL");
		const atUs = monotonicUs();
		process.kill(pid, signal);
		return { atUs, pid };
	},
	until: async ({ pid, step, uid, withinMs }) => {
		const endMs = performance.now() + withinMs;
		for (;;) {
			// An agent that is being started again does not answer.
			const pod = await agentPod(uid).catch((error: Error) => error);
			if (!(pod instanceof Error) && holds(step, pod, pid)) return { atUs: monotonicUs() };
			if (performance.now() > endMs) throw new Error(`not within ${withinMs / 1000} s; now ${textOfPod(pod)}`);
			await sleep(pod instanceof Error ? noAgentMs : lookMs);
		}
	},
};

function holds(step: "off" | "on" | "spare" | "spareReady", pod: AgentPod, broken: number): boolean {
	switch (step) {
		case "off":
			return pod.servingStep !== "sidecar";
		case "on":
			return pod.servingStep === "sidecar" && pod.ready && pod.pid !== broken;
		case "spare":
			return pod.servingStep === "spare";
		case "spareReady":
			return pod.spareReady === true;
		default:
			return step satisfies never;
	}
}

const textOfPod = (pod: AgentPod | Error): string =>
	pod instanceof Error ? pod.message : `${pod.servingStep}: ${pod.servingBecause}`;

export function agentPod(uid: string): Promise<AgentPod> {
	return askAgent<AgentPod>(`/v1/pods/${encodeURIComponent(uid)}`);
}

function askAgent<Answer>(path: string): Promise<Answer> {
	return new Promise((resolve, reject) => {
		const asked = request(
			{ socketPath: `${agentDirectory}/node.sock`, path, timeout: 2_000, agent: false },
			(response) => {
				textOf(response).then((text) => {
					if (response.statusCode === 200) resolve(JSON.parse(text) as Answer);
					else reject(new Error(`the node's agent answers ${response.statusCode}: ${text.slice(0, 200)}`));
				}, reject);
			},
		);
		asked.on("timeout", () => asked.destroy(new Error("the node's agent does not answer")));
		asked.on("error", reject).end();
	});
}

// A pod of a lab as its agent tells of it, and what drills do to it: its Envoy gets a signal, its connections are switched by hand.

import { setTimeout as sleep } from "node:timers/promises";
import { monotonicUs } from "../../kernel/linux/monotonic-us.ts";
import type { Lab, RunningPod } from "../../lab/lab.ts";
import { type AgentPod, agentPodOf, askAgent, envoyPidOf, podOf } from "./drill-pods.ts";

const lookMs = 5;

export class SwitchedPod {
	readonly #lab: Lab;
	readonly #limitMs: number;
	readonly pod: RunningPod;
	#brokenPid: number | undefined;
	#faultUs: number | undefined;

	/** `limitMs`: for each thing that is waited for. */
	constructor(lab: Lab, pod: RunningPod, limitMs: number) {
		this.#lab = lab;
		this.#limitMs = limitMs;
		this.pod = pod;
	}

	/** When its Envoy got the signal, in the kernel's monotonic microseconds. */
	get faultUs(): number | undefined {
		return this.#faultUs;
	}

	ofAgent(): Promise<AgentPod> {
		return agentPodOf(this.#lab, this.pod);
	}

	envoyPid(): Promise<number> {
		return envoyPidOf(this.#lab, this.pod);
	}

	/** Sends the signal to its Envoy; returns `faultUs`. */
	break(pid: number, signal: NodeJS.Signals): number {
		this.#brokenPid = pid;
		const faultUs = monotonicUs();
		this.#faultUs = faultUs;
		process.kill(pid, signal);
		return faultUs;
	}

	bypass(): Promise<void> {
		return this.#byHand("bypass?by=drill&why=a%20drill");
	}

	restore(): Promise<void> {
		return this.#byHand("restore?by=drill");
	}

	/** Its own Envoy, and not the broken one, has the connections. */
	untilOnSidecar(): Promise<void> {
		return this.untilAgentSays(
			"connections go through the workload's own Envoy",
			({ servingStep, ready, pid }) => servingStep === "sidecar" && ready && pid !== this.#brokenPid,
		);
	}

	async untilAgentSays(what: string, holds: (pod: AgentPod) => boolean): Promise<void> {
		const endMs = performance.now() + this.#limitMs;
		for (;;) {
			const last = await this.ofAgent().catch(() => undefined);
			if (last && holds(last)) return;
			if (performance.now() > endMs)
				throw new Error(
					`not within ${this.#limitMs / 1000} s: ${what}; now ${last?.servingStep}: ${last?.servingBecause}`,
				);
			await sleep(lookMs);
		}
	}

	async #byHand(order: string): Promise<void> {
		const { uid } = await this.ofAgent();
		await askAgent(this.#lab, this.pod.node, "POST", `/v1/pods/${encodeURIComponent(uid)}/${order}`);
	}
}

/** The pod of a Deployment, deleted and made anew first if its Envoy has failed, or `isUsed` says that it has to go. */
export async function freshPodOf(
	lab: Lab,
	deployment: string,
	limitMs: number,
	isUsed: (pod: RunningPod) => boolean = () => false,
): Promise<RunningPod> {
	const pod = await podOf(lab, deployment);
	const { restarts, servingStep } = await agentPodOf(lab, pod);
	if (servingStep === undefined) throw new Error(`${pod.name} has no hot-switch`);
	if (restarts === 0 && !isUsed(pod)) return pod;
	await lab.deletePod(pod.namespace, pod.name, 0);
	const pending = await lab.untilRolledOut(limitMs);
	if (pending.length > 0) throw new Error(`not ready: ${pending.join(", ")}`);
	return podOf(lab, deployment);
}

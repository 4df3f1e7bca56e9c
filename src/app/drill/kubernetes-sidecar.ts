// The workload of the drills of the hot-switch, made of pods on a cluster, as lab-sidecar.ts makes it of a lab: senders into it and out of
// it, each request on a new connection, from and to a pod without a proxy on the same node.

import { servedPort } from "../../kubernetes/drill/drill-order.ts";
import type { DrillReport, RunningLoad } from "../../lab/drill/drill-mesh.ts";
import type { DrillSidecar, HeldConnections } from "../../lab/drill/drill-sidecar.ts";
import { loggedReport } from "../../lab/drill/logged-report.ts";
import { type SentRequest, type SideReport, sideReport } from "../../lab/drill/sent-requests.ts";
import { isGood } from "../../lab/load/load-report.ts";
import { objectOf, peerAuthentications } from "./drill-kinds.ts";
import { type DrillPlace, firstNodePeer } from "./drill-place.ts";
import type { Sender } from "./drill-senders.ts";
import type { KubernetesAgents } from "./kubernetes-agents.ts";
import type { DrillPod } from "./kubernetes-drill-pods.ts";
import { startLogged } from "./kubernetes-senders.ts";
import { KubernetesWorkload, untilAnswered } from "./kubernetes-workload.ts";

export interface KubernetesSidecar extends DrillSidecar {
	startLoad(): Promise<RunningLoad>;
}

const heldEachWay = 5;
const defaultRate = 125;

export async function kubernetesSidecar(place: DrillPlace, agents: KubernetesAgents): Promise<KubernetesSidecar> {
	const { pods } = place;
	const selector = { matchLabels: { app: "switched" } };
	// Whatever the mesh demands: what is drilled here is what has plaintext to fall back on.
	const permissive = objectOf(peerAuthentications, "switched", { selector, mtls: { mode: "PERMISSIVE" } });
	await pods.make(peerAuthentications, permissive);
	const [beyond, breaker, outside] = await Promise.all([pods.beyond(), firstNodePeer(place), pods.serve("beyond")]);
	return new SwitchedPod(place, { beyond, breaker, outside, agents });
}

interface Surroundings {
	readonly beyond: DrillPod;
	readonly breaker: DrillPod;
	/** Address of the Service of the pod without a proxy. */
	readonly outside: string;
	readonly agents: KubernetesAgents;
}

class SwitchedPod implements KubernetesSidecar {
	readonly #place: DrillPlace;
	readonly #around: Surroundings;
	#running: KubernetesWorkload | undefined;
	#fromUs: number | undefined;
	#killsAgents = false;

	constructor(place: DrillPlace, around: Surroundings) {
		this.#place = place;
		this.#around = around;
	}

	async startLoad(): Promise<RunningLoad> {
		const { pods, ratePerSecond = defaultRate } = this.#place;
		const { beyond, breaker, outside } = this.#around;
		// One whose Envoy failed before has to prove itself for longer.
		if (this.#running) await pods.remove(this.#running.pod, 0);
		// One that was killed before would be started again later each time.
		if (this.#killsAgents) await this.#around.agents.fresh(breaker.node);
		const pod = await pods.start({ app: "switched", proxy: true });
		const workload = new KubernetesWorkload(pods, breaker, pod);
		this.#running = workload;
		this.#fromUs = undefined;
		const asks = (from: DrillPod, host: string) => async (): Promise<boolean> =>
			(await pods.order<{ status: number }>(from, { order: "ask", host, port: servedPort })).status === 200;
		await untilAnswered(pods, "the workload answers and calls", [asks(beyond, pod.ip), asks(pod, outside)]);
		await workload.setClock();
		const load = { newConnections: true, ratePerSecond };
		const inbound = await startLogged(pods, beyond, { ...load, host: pod.ip });
		const outbound = await startLogged(pods, pod, { ...load, host: outside });
		return { stop: () => this.#report({ inbound, outbound }) };
	}

	async break(signal: "SIGKILL" | "SIGSTOP", agentToo = false): Promise<number> {
		const agent = agentToo ? await this.#around.agents.fresh(this.#workload.pod.node) : undefined;
		this.#killsAgents ||= agentToo;
		return await this.#workload.break(signal, agent);
	}

	/** Kubelet does. */
	reviveAgent(): Promise<void> {
		return Promise.resolve();
	}

	untilSwitched(): Promise<void> {
		return this.#workload.until("off");
	}

	untilRestored(): Promise<void> {
		return this.#workload.until("on");
	}

	async hold(): Promise<HeldConnections> {
		const { limitMs, pods } = this.#place;
		const workload = this.#workload;
		const { beyond, outside } = this.#around;
		const ends = [
			{ from: beyond, host: workload.pod.ip },
			{ from: workload.pod, host: outside },
		];
		for (const { from, host } of ends)
			await pods.order(from, { order: "holdOpen", host, port: servedPort, count: heldEachWay });
		const endOf = ({ from }: { readonly from: DrillPod }) =>
			pods.order<{ closedUs: readonly (number | null)[] }>(from, { order: "heldOpen", withinMs: limitMs / 3 });
		return {
			untilClosed: async () => {
				const closedUs = (await Promise.all(ends.map(endOf))).flatMap((end) => end.closedUs);
				const open = closedUs.filter((one) => one === null).length;
				if (open > 0) throw new Error(`${open} of ${closedUs.length} connections of the broken Envoy stayed open`);
				return workload.nowMsOf(Math.max(...closedUs.map(Number)));
			},
		};
	}

	bypassByHand(): Promise<void> {
		return this.#workload.bypass();
	}

	restoreByHand(): Promise<void> {
		return this.#workload.restore();
	}

	countFromNow(): void {
		this.#fromUs = this.#workload.nowUs();
	}

	get #workload(): KubernetesWorkload {
		if (!this.#running) throw new Error("no load runs");
		return this.#running;
	}

	async #report(senders: Readonly<Record<string, Sender<readonly SentRequest[]>>>): Promise<DrillReport> {
		const { faultUs } = this.#workload;
		const fromUs = this.#fromUs;
		const sides: Record<string, SideReport> = {};
		const all: SentRequest[] = [];
		let strays = 0;
		for (const [name, sender] of Object.entries(senders)) {
			const requests = await sender.stop();
			if (faultUs !== undefined && !requests.some((one) => isGood(one) && one.endUs < faultUs))
				throw new Error(`nothing came through ${name} before the fault`);
			sides[name] = sideReport(requests, fromUs, fromUs ?? faultUs);
			if (faultUs !== undefined && fromUs === undefined)
				strays += requests.filter((one) => !isGood(one) && one.endUs < faultUs).length;
			all.push(...requests);
		}
		const counted = all.filter(({ dueUs }) => fromUs === undefined || dueUs >= fromUs);
		return { ...loggedReport(counted, sides), plaintext: 0, strays };
	}
}

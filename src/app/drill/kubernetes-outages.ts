// Outages of the drills on a cluster, as lab-outages.ts makes them of a lab: control planes that are killed and shut, a node whose agent
// and they no longer hear each other, a server's container that dies, rules without sense in the drill's own namespace.

import { setTimeout as sleep } from "node:timers/promises";
import { pods as podResource } from "../../kubernetes/client/api-resources.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import { servedPort } from "../../kubernetes/drill/drill-order.ts";
import type { AgentPod } from "../../kubernetes/drill/peer-agent.ts";
import type { LocalAnswer } from "../../kubernetes/drill/peer-local.ts";
import type { DrillOutages } from "../../lab/drill/drill-outages.ts";
import type { Problem } from "../../resources/problem.ts";
import { type ClusterControl, ClusterControls, xdsPort } from "./cluster-controls.ts";
import { objectOf, virtualServices } from "./drill-kinds.ts";
import type { DrillPlace } from "./drill-place.ts";
import type { DrillPod } from "./kubernetes-drill-pods.ts";
import type { KubernetesMeshLoad } from "./kubernetes-mesh-load.ts";
import { KubernetesNumberRule } from "./kubernetes-number-rule.ts";
import { KubernetesWorkload, untilAnswered } from "./kubernetes-workload.ts";
import { nonsensePatterns } from "./outage-rules.ts";
import { cutOff, removeTable } from "./shut-rules.ts";

export interface KubernetesOutages extends DrillOutages {
	/** What was taken away is there again. */
	close(): Promise<void>;
}

const nonsenseName = "drill-nonsense";
const bystander = "bystander";
const cutName = "cut-off";
const adminPort = 15_000;
const lookMs = 10;
/** A cut that nobody takes back ends by itself. */
const longestCutMs = 120_000;
const defaultOutageMs = 10_000;

export async function kubernetesOutages(
	place: DrillPlace,
	load: KubernetesMeshLoad,
	outageMs = defaultOutageMs,
): Promise<KubernetesOutages> {
	const { limitMs, pods } = place;
	const controls = new ClusterControls(place);
	const rule = new KubernetesNumberRule(place, load, controls);
	const { namespace } = pods.options;
	const nonsensePath = pathOf(virtualServices, namespace, nonsenseName);
	let away: readonly ClusterControl[] = [];
	let proxies: ReadonlySet<string> = new Set();
	let isCut = false;
	let witness: KubernetesWorkload | undefined;

	await pods.serve(bystander);

	/** One whose Envoy has not been killed yet: kubelet waits longer each time before it starts one again. */
	async function freshBystander(): Promise<KubernetesWorkload> {
		if (witness) await pods.remove(witness.pod, 0);
		const pod = await pods.start({ app: bystander, proxy: true });
		const made = new KubernetesWorkload(pods, await pods.onNode(pod.node), pod);
		witness = made;
		await untilAnswered(pods, "the bystander can call", [
			async () => {
				const order = { order: "ask", host: load.address, port: servedPort, headers: load.headers } as const;
				return (await pods.order<LocalAnswer>(pod, order)).status === 200;
			},
		]);
		return made;
	}

	async function agentPodOf({ node, uid }: DrillPod): Promise<AgentPod | undefined> {
		const list = await pods.order<{ readonly pods: readonly AgentPod[] }>(await pods.onNode(node), { order: "pods" });
		return list.pods.find((one) => one.uid === uid);
	}

	async function openAll(): Promise<void> {
		const shut = away;
		away = [];
		await Promise.all(shut.map((control) => controls.open(control)));
	}

	async function heal(): Promise<void> {
		if (!isCut) return;
		await pods.order(await pods.onNode(load.client.node), { order: "undo", name: cutName });
		isCut = false;
	}

	/** A container that has not been killed yet: the server of a pod that was is replaced first. */
	async function nextServer(): Promise<{ readonly pod: DrillPod; readonly container: string }> {
		for (;;) {
			for (const pod of await pods.ready(load.servers)) {
				const { status } = (await pods.ask("GET", pathOf(podResource, namespace, pod.name))) as RawServer;
				const app = status.containerStatuses.find(({ name }) => name === "peer");
				if (app?.restartCount === 0) return { pod, container: app.containerID.replace(/^.*:\/\//, "") };
			}
			const [first] = await pods.ready(load.servers);
			if (first) await pods.remove(first);
			await pods.untilRolledOut(load.servers);
		}
	}

	async function isChosen(server: DrillPod): Promise<boolean> {
		const { node, uid } = load.client;
		const order = { order: "local", uid, port: adminPort, path: "/clusters" } as const;
		const { text } = await pods.order<LocalAnswer>(await pods.onNode(node), order);
		const line = `::${server.ip}:${servedPort}::health_flags::healthy`;
		const cluster = `outbound|${servedPort}||${load.servers}.${namespace}.svc.`;
		return text.split("\n").some((one) => one.startsWith(cluster) && one.endsWith(line));
	}

	async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
		const endMs = performance.now() + limitMs;
		while (!(await holds())) {
			if (performance.now() > endMs) throw new Error(`not within ${limitMs / 1000} s: ${what}`);
			await sleep(lookMs);
		}
	}

	async function isNamed(control: ClusterControl, by: "validation" | "envoy"): Promise<boolean> {
		if (by === "envoy") return ((await rule.itemAt(control, nonsenseName))?.status.proxies?.rejected ?? []).length > 0;
		const { items } = await controls.ask<{ readonly items: readonly Problem[] }>(control, "/api/v1/problems");
		return items.some(({ resource }) => resource.endsWith(`${namespace}/${nonsenseName}`));
	}

	async function removeNonsense(): Promise<void> {
		const { status } = await place.client.request("DELETE", nonsensePath);
		if (status !== 404) await rule.untilEverywhere(nonsenseName, (item) => item === undefined);
	}

	return {
		killControlPlanes: async () => {
			await freshBystander();
			away = await controls.ready();
			proxies = await controls.proxiesInSync(away);
			await Promise.all(
				away.map(async (control) => {
					await controls.kill(control);
					// Before kubelet has started it again.
					await controls.shut(control, outageMs);
				}),
			);
		},
		reviveControlPlanes: async () => {
			const count = away.length;
			await openAll();
			await controls.untilInSync(proxies, count);
		},
		restartEnvoy: async () => {
			if (!witness) throw new Error("there is no bystander");
			const { pod } = witness;
			const before = await agentPodOf(pod);
			await witness.setClock();
			const faultMs = await witness.break("SIGKILL");
			// The spare serves meanwhile: what counts is the Envoy that has its configuration from the disk.
			await until(`${pod.name} has a new Envoy that is ready`, async () => {
				const now = await agentPodOf(pod);
				return now?.ready === true && now.pid !== before?.pid;
			});
			return performance.now() - faultMs;
		},
		killAgents: () => Promise.reject(new Error("agents are killed by the drill agent-restart")),
		cut: async () => {
			const addresses = (await controls.ready()).map(({ ip }) => ip);
			await pods.order(await pods.onNode(load.client.node), {
				...{ order: "fault", name: cutName, netnsOf: "node", withinMs: longestCutMs },
				make: cutOff(addresses, xdsPort),
				undo: removeTable,
			});
			isCut = true;
		},
		heal,
		change: (number) => rule.change(number),
		write: (number) => rule.writeSoon(number),
		numberSeen: () => rule.numberSeen(),
		crashServer: async () => {
			const { container, pod } = await nextServer();
			const peer = await pods.onNode(pod.node);
			await until("the server is chosen", () => isChosen(pod));
			const faultMs = performance.now();
			await pods.order(peer, { order: "signal", uid: pod.uid, container, signal: "SIGKILL" });
			await until("the dead server is no longer chosen", async () => !(await isChosen(pod)));
			const outMs = performance.now() - faultMs;
			await until("the server is chosen again", () => isChosen(pod));
			return { outMs, backMs: performance.now() - faultMs };
		},
		writeNonsense: async (by) => {
			const all = await controls.ready();
			const writtenMs = performance.now();
			const match = [{ uri: { regex: nonsensePatterns[by] } }];
			const http = [{ match, route: [{ destination: { host: bystander } }] }];
			const body = objectOf(virtualServices, nonsenseName, { hosts: [bystander], exportTo: ["."], http });
			const { status } = await place.client.request("POST", pathOf(virtualServices, namespace), { body });
			// The webhook says no: nobody has to name what nobody has.
			if (status >= 400 && status < 500 && by === "validation") return performance.now() - writtenMs;
			if (status >= 300) throw new Error(`the API server answers ${status} to the rule without sense`);
			await until("the rule without sense is named", async () => {
				const named = await Promise.all(all.map((control) => isNamed(control, by)));
				// Whoever has no proxy of its own knows of no rejection.
				return by === "validation" ? named.every((is) => is) : named.some((is) => is);
			});
			return performance.now() - writtenMs;
		},
		removeNonsense,
		close: async () => {
			await heal();
			await openAll();
		},
	};
}

interface RawServer {
	readonly status: {
		readonly containerStatuses: readonly {
			readonly name: string;
			readonly containerID: string;
			readonly restartCount: number;
		}[];
	};
}

// What a node does only on Kubernetes, put together: its pods from the API server, their sockets, the CNI plug-in. In: the node's
// agent and servers. Out: Envoys in containers that kubelet starts are served as those that the agent starts itself.

import { join } from "node:path";
import { appProbes } from "../../envoy/bootstrap/app-probes.ts";
import { parseAppProbes } from "../../inject/app-probe.ts";
import { nodes } from "../../kubernetes/client/api-resources.ts";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import { removePlugin } from "../../kubernetes/cni/install-plugin.ts";
import { isUninstalled } from "../../kubernetes/cni/is-uninstalled.ts";
import { KeptPlugin } from "../../kubernetes/cni/kept-plugin.ts";
import { PluginRequests } from "../../kubernetes/cni/plugin-requests.ts";
import { AdoptedPods } from "../../kubernetes/node/adopted-pods.ts";
import { BypassedPods } from "../../kubernetes/node/bypassed-pods.ts";
import { ContainerProcess } from "../../kubernetes/node/container-process.ts";
import { NodePods, type ServingAgent } from "../../kubernetes/node/node-pods.ts";
import { type AcceptFor, PodDoors } from "../../kubernetes/node/pod-doors.ts";
import { PodNotices } from "../../kubernetes/node/pod-notices.ts";
import { containerPlaces } from "../../kubernetes/node/proxy-places.ts";
import type { PodBootstrapOptions } from "../../node/plan/pod-bootstrap.ts";
import type { PodSpec } from "../../node/plan/pod-spec.ts";
import type { SwitchChange } from "../../node/pod-hot-switch.ts";
import type { PodSupervisorDeps } from "../../node/pod-supervisor-deps.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { NodePart } from "../node/node-part.ts";

export interface KubernetesNodeOptions {
	readonly client: KubernetesClient;
	/** Where Keepmesh itself lives. Absent: no heartbeats between the nodes. */
	readonly namespace?: string;
	/** Of the agent's own control planes. Default `default`. */
	readonly revision?: string;
	/** Directory for what is gone with a restart of the machine: `/run/keepmesh`, at the same path on the node and here. */
	readonly run: string;
	/** The agent's own Pod; absent: it is not in one. */
	readonly self?: { readonly namespace: string; readonly name: string };
	/** Absent: no CNI plug-in; a pod's proxy waits until its redirect stands, and the application for its proxy. */
	readonly cni?: {
		/** `/opt/cni/bin` of the node, as seen here. */
		readonly programs: string;
		/** `/etc/cni/net.d` of the node, as seen here. */
		readonly lists: string;
		/** As the node sees it. */
		readonly kubelet: string;
	};
}

export interface KubernetesNodePart extends NodePart {
	/** For the Envoys of pods. */
	readonly processOf: NonNullable<PodSupervisorDeps["processOf"]>;
	/** What the start configuration of a container's Envoy has of its own. */
	bootstrapOf(pod: PodSpec): Pick<PodBootstrapOptions, "places" | "probes">;
	/** A pod's connections go another way since now. */
	switched(pod: PodSpec, change: SwitchChange): void;
	/** Once there are servers to hand pods' connections to. */
	open(accept: AcceptFor): Promise<void>;
}

const noLocality = { region: "", zone: "", subzone: "" };

export function kubernetesNodePart(
	options: KubernetesNodeOptions & { readonly node: string; readonly state: string },
	deps: { readonly agent: () => ServingAgent; readonly clock: Clock; readonly log: Log },
): KubernetesNodePart {
	const { client, cni, node } = options;
	const { agent, clock, log } = deps;
	let locality = noLocality;
	const doors = new PodDoors({ clock, log, supervisorOf: (uid) => agent().supervisorOf(uid) });
	const notices = new PodNotices(node, { client, clock, log });
	const adopted = new AdoptedPods({
		directory: join(options.state, "adopted"),
		clock,
		log,
		onSwitched: (pod, change) => notices.switched(pod, change),
	});
	const bypassed = new BypassedPods({
		clock,
		log,
		switchOf: (uid) => {
			const supervisor = agent().supervisorOf(uid);
			return supervisor && (supervisor.hotSwitch ?? "none");
		},
		onAnswer: (pod, answer) => notices.answered(pod, answer),
	});
	const pods = new NodePods(
		{ node, locality: () => locality },
		{ client, agent, adopted, bypassed, clock, log, onLeaving: (uid) => doors.leave(uid) },
	);
	const exchange = join(options.run, "cni");
	const requests = new PluginRequests(exchange, { clock, log, prepare: (sandbox) => pods.prepare(sandbox) });
	const plugin = cni && new KeptPlugin(cni, { exchange, kubelet: cni.kubelet }, { clock, log });
	return {
		podAdded: (proxyId, pod) => pod.container && doors.add(proxyId, pod),
		podRemoved: (_, pod) => {
			doors.remove(pod.uid);
			notices.gone(pod.uid);
		},
		started: () => {
			for (const { hotSwitch, pod } of agent().supervisors())
				if (hotSwitch?.state.servingStep !== "closed") notices.restored(pod.uid);
		},
		switched: (pod, change) => {
			// That the proxy of a pod which leaves ends as well is no news.
			if (pod.container && pods.get(pod.uid)?.isLeaving !== true) notices.switched(pod, change);
		},
		processOf: (pod, paths, given) => (pod.container ? new ContainerProcess(pod, paths, given) : undefined),
		bootstrapOf: ({ container, ips: [address = "127.0.0.1"] }) => {
			if (!container) return {};
			const { probes } = container;
			return {
				places: containerPlaces,
				...(probes === undefined ? {} : { probes: appProbes(parseAppProbes(probes), { address }) }),
			};
		},
		open: async (accept) => {
			locality = (await askLocality(client, node)) ?? locality;
			doors.open(accept);
			pods.open();
			// Also where the plug-in was put in by an agent that had to.
			requests.open();
			plugin?.open();
		},
		close: async () => {
			plugin?.close();
			if (cni && options.self && (await isUninstalled(client, clock, options.self)))
				log.info({ changed: removePlugin(cni) }, "the CNI plug-in was taken away: this agent has no successor");
			requests.close();
			pods.close();
			adopted.close();
			bypassed.close();
			notices.close();
			doors.close();
		},
	};
}

async function askLocality(client: KubernetesClient, node: string): Promise<typeof noLocality | undefined> {
	try {
		const { body } = await client.request("GET", pathOf(nodes, undefined, node), { timeoutMs: 3_000 });
		const { metadata } = body as { readonly metadata?: { readonly labels?: Readonly<Record<string, string>> } };
		const label = (name: string): string => metadata?.labels?.[name] ?? "";
		return {
			region: label("topology.kubernetes.io/region"),
			zone: label("topology.kubernetes.io/zone"),
			subzone: label("topology.istio.io/subzone"),
		};
	} catch {
		return undefined;
	}
}

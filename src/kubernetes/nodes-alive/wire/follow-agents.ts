// Which machines send heartbeats: those with a Pod of the node's DaemonSet. In: Pods by label, from the API server. Out: the name
// and address of each such node, whenever they change. While the server cannot be asked, what was known stays.

import type { Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import type { RawObject } from "../../client/api-object.ts";
import { pods } from "../../client/api-resources.ts";
import type { KubernetesClient } from "../../client/kubernetes-client.ts";
import { watchResource } from "../../client/watch-resource.ts";
import type { HeartbeatPeer } from "./node-heartbeats.ts";

export const agentSelector = "app.kubernetes.io/name=keepmesh-node";

interface AgentPod {
	readonly pod: string;
	readonly node: string;
	readonly address: string;
}

export function followAgents(
	{ namespace, selector = agentSelector }: { readonly namespace: string; readonly selector?: string },
	deps: {
		readonly client: KubernetesClient;
		readonly clock: Clock;
		readonly log: Log;
		readonly onNodes: (peers: ReadonlyMap<string, HeartbeatPeer>) => void;
	},
): { close(): void } {
	const { client, clock, log, onNodes } = deps;
	const known = new Map<string, AgentPod>();
	let told = "";
	const tell = (): void => {
		// An agent that is replaced has two Pods for a moment.
		const peers = new Map([...known.values()].map(({ address, node }) => [node, { address }] as const));
		const text = JSON.stringify([...peers].sort());
		if (text === told) return;
		told = text;
		onNodes(peers);
	};
	const leaving = new Map<string, () => void>();
	const remove = (name: string): void => {
		leaving.get(name)?.();
		leaving.set(
			name,
			clock.after(replacedWithinMs, () => {
				known.delete(name);
				leaving.delete(name);
				tell();
			}),
		);
	};
	const watch = watchResource<AgentPod>(
		client,
		{ resource: pods, namespace, labelSelector: selector, keep: agentPod },
		{
			clock,
			log,
			onEvent: (event) => {
				if (event.type === "synced") for (const one of event.objects) known.set(one.pod, one);
				else if (event.type === "applied") {
					leaving.get(event.object.pod)?.();
					leaving.delete(event.object.pod);
					known.set(event.object.pod, event.object);
				} else if (event.type === "removed") remove(event.name);
				else return;
				tell();
			},
		},
	);
	return {
		close: () => {
			watch.close();
			for (const cancel of leaving.values()) cancel();
		},
	};
}

/** While a DaemonSet is rolled out its Pods go and come; who listens to whom does not change with each. */
const replacedWithinMs = 30_000;

function agentPod({ metadata, spec, status }: RawObject): AgentPod | undefined {
	const { nodeName } = (spec ?? {}) as { readonly nodeName?: string };
	const { hostIP } = (status ?? {}) as { readonly hostIP?: string };
	if (!nodeName || !hostIP) return undefined;
	return { pod: metadata.name, node: nodeName, address: hostIP };
}

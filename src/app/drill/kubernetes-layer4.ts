// Layer 4 of the drills on a cluster: four servers behind a Service, a caller without a proxy, and the rules of the caller's node as the
// process that writes them tells. The server that is killed is on that node as well, so that one clock measures.

import { pods as podResource } from "../../kubernetes/client/api-resources.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import type { DrillLayer4 } from "../../lab/drill/drill-layer4.ts";
import type { RunningLoad } from "../../lab/drill/drill-mesh.ts";
import type { DrillPlace } from "./drill-place.ts";
import { startCounted } from "./kubernetes-senders.ts";

export interface KubernetesLayer4 extends DrillLayer4 {
	startLoad(): Promise<RunningLoad>;
}

const servers = "plain";
const serverCount = 4;
const defaultRate = 500;
/** The agents; or layer 4 by itself. */
const ruleWriters = "app.kubernetes.io/name in (keepmesh-node,keepmesh-layer4)";

export async function kubernetesLayer4(place: DrillPlace): Promise<KubernetesLayer4> {
	const { limitMs, pods } = place;
	const { namespace } = pods.options;
	const [node = ""] = place.nodes;
	const [host, caller, peer, writer] = await Promise.all([
		pods.serve(servers),
		pods.start({ app: "caller", node }),
		pods.onNode(node),
		ruleWriterOf(place, node),
		pods.deploy({ app: servers }, serverCount),
	]);
	const balanced = { uid: writer, namespace, service: servers };
	await pods.until(`${node} balances ${servers}`, async () => {
		const { ready } = await pods.order<{ ready: readonly string[] }>(peer, { order: "endpoints", ...balanced });
		return ready.length === serverCount ? true : undefined;
	});
	return {
		startLoad: async () => {
			const ratePerSecond = place.ratePerSecond ?? defaultRate;
			const sender = await startCounted(pods, caller, { host, ratePerSecond, newConnections: true });
			return { stop: async () => ({ ...(await sender.stop()), plaintext: 0 }) };
		},
		crashBackend: async () => {
			const server = (await pods.ready(servers)).find((one) => one.node === node);
			if (!server) throw new Error(`no server is on ${node}`);
			const until = { order: "untilEndpoint", ...balanced, address: server.ip, withinMs: limitMs } as const;
			// It is out for a second or two only: who begins to look after the signal may look too late.
			const leaving = pods.order<{ atUs: number }>(peer, { ...until, isReady: false });
			const killing = pods.order<{ atUs: number }>(peer, { order: "signal", uid: server.uid, signal: "SIGKILL" });
			const [killed, out] = await Promise.all([killing, leaving]);
			const back = await pods.order<{ atUs: number }>(peer, { ...until, isReady: true });
			return { outMs: (out.atUs - killed.atUs) / 1000, backMs: (back.atUs - killed.atUs) / 1000 };
		},
		loseNode: notHere,
		repairNode: notHere,
	};
}

const notHere = (): Promise<never> => Promise.reject(new Error("l4-node-loss needs a lab"));

async function ruleWriterOf({ pods, systemNamespace }: DrillPlace, node: string): Promise<string> {
	const query = { labelSelector: ruleWriters, fieldSelector: `spec.nodeName=${node}` };
	const { items } = (await pods.ask("GET", pathOf(podResource, systemNamespace), { query })) as {
		readonly items: readonly { readonly metadata: { readonly uid: string; readonly deletionTimestamp?: string } }[];
	};
	const found = items.find(({ metadata }) => metadata.deletionTimestamp === undefined);
	if (!found) throw new Error(`nothing of Keepmesh balances Services on ${node}`);
	return found.metadata.uid;
}

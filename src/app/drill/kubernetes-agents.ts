// The node agents of a drill on a cluster: killed, or replaced as an update of their DaemonSet replaces them; on the drill's nodes alone.
// In: where the drill is. Out: how long until they have their pods again, and what of the drill's own pods is not as it was.

import { pods as podResource } from "../../kubernetes/client/api-resources.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import type { AgentPod } from "../../kubernetes/drill/peer-agent.ts";
import type { Upgraded } from "../../lab/drill/drill-upgrades.ts";
import type { DrillPlace } from "./drill-place.ts";

export interface KubernetesAgents {
	/** On a node; one that kubelet has not started again yet, and so does at once. */
	fresh(node: string): Promise<AgentContainer>;
	/** SIGKILL to all of them at once. */
	kill(): Promise<{ readonly backMs: number; readonly touched: readonly string[] }>;
	/** One after the other: each Pod is deleted, and its DaemonSet makes another. */
	replace(): Promise<Upgraded>;
}

export interface AgentContainer {
	/** Of its Pod. */
	readonly uid: string;
	/** Its id; the Pod's other one, in which the node's spare lives, is not meant. */
	readonly container: string;
}

interface ContainerStatus {
	readonly name: string;
	readonly containerID?: string;
	readonly restartCount: number;
	readonly ready: boolean;
}

interface RawPod {
	readonly metadata: { readonly name: string; readonly uid: string; readonly deletionTimestamp?: string };
	readonly status?: {
		readonly phase?: string;
		readonly containerStatuses?: readonly ContainerStatus[];
	};
}

interface Look {
	readonly envoys: readonly AgentPod[];
	/** By name of the pod: its rules, without counters and elements of sets. */
	readonly redirects: ReadonlyMap<string, string>;
}

const labelSelector = "app.kubernetes.io/name=keepmesh-node";
const rulesOf = ["nft", "--stateless", "--terse", "list", "ruleset"];

export async function kubernetesAgents({
	limitMs,
	nodes,
	pods,
	systemNamespace,
}: DrillPlace): Promise<KubernetesAgents> {
	const { namespace } = pods.options;

	async function podOn(node: string): Promise<RawPod | undefined> {
		const query = { labelSelector, fieldSelector: `spec.nodeName=${node}` };
		const list = await pods.ask("GET", pathOf(podResource, systemNamespace), { query });
		return (list as { readonly items: readonly RawPod[] }).items.find(
			({ metadata, status }) => metadata.deletionTimestamp === undefined && status?.phase === "Running",
		);
	}

	/** Of the drill's own pods on a node; rejects while its agent is away. */
	async function envoysOn(node: string): Promise<readonly AgentPod[]> {
		const found = await pods.order<{ pods: readonly AgentPod[] }>(await pods.onNode(node), { order: "pods" });
		return found.pods.filter((pod) => pod.namespace === namespace);
	}

	async function redirectOf(node: string, uid: string): Promise<string> {
		const order = { order: "run", netnsOf: uid, argv: rulesOf } as const;
		type Run = { readonly code: number; readonly stdout: string; readonly stderr: string };
		const { code, stderr, stdout } = await pods.order<Run>(await pods.onNode(node), order);
		if (code !== 0) throw new Error(stderr.trim());
		return stdout;
	}

	async function look(): Promise<Look> {
		const each = await Promise.all(
			nodes.map(async (node) => {
				const envoys = await envoysOn(node);
				const redirects = await Promise.all(
					envoys.map(async ({ name, uid }) => [name, await redirectOf(node, uid)] as const),
				);
				return { envoys, redirects };
			}),
		);
		return {
			envoys: each.flatMap(({ envoys }) => envoys),
			redirects: new Map(each.flatMap(({ redirects }) => redirects)),
		};
	}

	/** Pods of the drill that are not being removed. */
	async function lasting(): Promise<ReadonlySet<string>> {
		const list = await pods.ask("GET", pathOf(podResource, namespace));
		const { items } = list as { readonly items: readonly RawPod[] };
		return new Set(items.flatMap(({ metadata }) => (metadata.deletionTimestamp ? [] : [metadata.uid])));
	}

	const untilReady = (node: string, before: readonly AgentPod[]): Promise<true> =>
		pods.until(`the agent of ${node} has its pods`, async () => {
			const now = await envoysOn(node).catch(() => []);
			const isBack = ({ uid }: AgentPod): boolean => now.some((one) => one.uid === uid && one.ready);
			if (before.every(isBack)) return true;
			const left = await lasting();
			return before.every((pod) => isBack(pod) || !left.has(pod.uid)) ? true : undefined;
		});

	async function replaceOn(node: string): Promise<AgentContainer> {
		const [old, before] = [await podOn(node), await envoysOn(node).catch(() => [])];
		if (!old) throw new Error(`no agent runs on ${node}`);
		await pods.ask("DELETE", pathOf(podResource, systemNamespace, old.metadata.name));
		const next = await pods.until(`another agent runs on ${node}`, async () => {
			const now = await podOn(node);
			const isReady = now?.status?.containerStatuses?.every(({ ready }) => ready) === true;
			return now?.metadata.uid !== old.metadata.uid && isReady ? now : undefined;
		});
		await untilReady(node, before);
		return containerOf(next);
	}

	const differences = (before: Look, after: Look): readonly string[] => [
		...before.envoys
			.filter(({ uid, pid }) => after.envoys.find((one) => one.uid === uid)?.pid !== pid)
			.map(({ name }) => `the Envoy of ${name} is another one`),
		...[...before.redirects]
			.filter(([name, rules]) => after.redirects.get(name) !== rules)
			.map(([name]) => `the redirect of ${name} is another one`),
	];

	async function fresh(node: string): Promise<AgentContainer> {
		const pod = await podOn(node);
		if (!pod) throw new Error(`no agent runs on ${node}`);
		const isFresh = pod.status?.containerStatuses?.every(({ restartCount }) => restartCount === 0) === true;
		return isFresh ? containerOf(pod) : await replaceOn(node);
	}

	return {
		fresh,
		kill: async () => {
			const agents = await Promise.all(nodes.map(async (node) => ({ node, ...(await fresh(node)) })));
			const before = await look();
			if (![...before.redirects.values()].some((rules) => rules.includes("keepmesh")))
				throw new Error("no pod has a redirect");
			const faultMs = performance.now();
			for (const { container, node, uid } of agents)
				await pods.order(await pods.onNode(node), { order: "signal", uid, container, signal: "SIGKILL" });
			const isBack = async (): Promise<boolean> => {
				const now = (await Promise.all(nodes.map(envoysOn)).catch(() => [])).flat();
				return before.envoys.every(({ uid }) => now.some((one) => one.uid === uid && one.ready));
			};
			while (!(await isBack()))
				if (performance.now() - faultMs > limitMs) throw new Error("the agents do not know their pods again");
			const backMs = performance.now() - faultMs;
			return { backMs, touched: differences(before, await look()) };
		},
		replace: async () => {
			const before = await look();
			const startedMs = performance.now();
			for (const node of nodes) await replaceOn(node);
			const tookMs = performance.now() - startedMs;
			return { tookMs, wrong: differences(before, await look()) };
		},
	};
}

function containerOf({ metadata, status }: RawPod): AgentContainer {
	const id = status?.containerStatuses?.find(({ name }) => name === "node")?.containerID;
	if (id === undefined) throw new Error(`pod ${metadata.name} has no container of an agent`);
	// `containerd://ID`
	return { uid: metadata.uid, container: id.slice(id.lastIndexOf("/") + 1) };
}

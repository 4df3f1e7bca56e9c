// keepmesh drill --kubernetes: drills on a cluster that is installed already, in a namespace that they make and remove.

import type { Command } from "commander";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import type { DrillMesh } from "../../lab/drill/drill-mesh.ts";
import { beyondNamespace } from "../drill/beyond-namespace.ts";
import type { ClusterParts } from "../drill/cluster-parts.ts";
import { kubernetesDrills, type Lack, lackFor } from "../drill/kubernetes-needs.ts";
import { kubeconfigOf } from "../install/find-cluster.ts";
import { openKubernetes } from "../kubernetes/open-kubernetes.ts";
import { CliError, exitCodes } from "./cli-error.ts";
import { type KubernetesFlags, kubernetesAccess, withKubernetesFlags } from "./kubernetes-flags.ts";
import { say } from "./terminal.ts";

export interface KubernetesDrillFlags extends KubernetesFlags {
	readonly systemNamespace: string;
	readonly node?: string;
	readonly nodeState?: string;
	readonly image?: string;
	readonly address?: string;
	readonly moveOthers?: boolean;
	readonly yesRotate?: boolean;
	readonly rate?: number;
	readonly outage?: number;
}

/** For each thing that is waited for: also on a machine with far too much to do, and where images have to be pulled. */
const limitMs = 180_000;

export function withKubernetesDrillFlags(command: Command): Command {
	return withKubernetesFlags(command, `on the cluster instead of a lab: ${kubernetesDrills.join(", ")}`)
		.option("--system-namespace <name>", "where Keepmesh itself lives", "keepmesh-system")
		.option("--node <name>", "the Node that it happens on (default: the first with an agent)")
		.option("--node-state <dir>", "of that node's agent (default: as its DaemonSet says)")
		.option("--address <address>", "the virtual IP that the vip drills break (default: one of their own, of a pool)")
		.option("--move-others", "vip-crash and vip-stop may move other addresses that the same node owns")
		.option("--yes-rotate", "rotate-issuer and rotate-root may replace the mesh's own issuer and root, for good")
		.option("--image <image>", "Keepmesh's image (default: the agents')");
}

export interface ClusterDrills {
	/** Of these names those that the cluster can do, in their order. One that it cannot do is said, or, where `mayLeave` is false, thrown. */
	choose(names: readonly string[], mayLeave: boolean): readonly string[];
	open(): Promise<{ readonly mesh: DrillMesh; close(): Promise<void> }>;
}

export async function drillsOnKubernetes(flags: KubernetesDrillFlags): Promise<ClusterDrills> {
	// In a Pod its service account, else as kubectl does.
	const kubeconfig = process.env.KUBERNETES_SERVICE_HOST === undefined ? kubeconfigOf(flags) : flags.kubeconfig;
	const client = openKubernetes({ ...kubernetesAccess(flags), ...(kubeconfig ? { kubeconfig } : {}) }, "drill");
	const parts = await readParts(client, flags.systemNamespace);
	return {
		choose: (names, mayLeave) => {
			const lackOf = (name: string) => lackFor(name, parts) ?? unasked(name, flags);
			const lacks = names.flatMap((name) => lackOf(name) ?? []);
			const [first] = lacks;
			if (first && !mayLeave) throw new CliError(exitCodes.unavailable, first.because, first.next);
			for (const { because, next } of lacks) say(`left out: ${because}; ${next}`);
			const chosen = names.filter((name) => !lackOf(name));
			for (const name of chosen) {
				const effect = beyondNamespace(name);
				if (effect) say(`${name}: ${effect.does}`);
			}
			return chosen;
		},
		open: () => open(client, parts, flags),
	};
}

/** What stays is done only when it was asked for in so many words. */
function unasked(name: string, { address, yesRotate }: KubernetesDrillFlags): Lack | undefined {
	if (name === "vip-health" && address !== undefined)
		return {
			because: `${name} fails a check of its own: it needs an address of its own`,
			next: `keepmesh drill --kubernetes ${name}`,
		};
	const effect = beyondNamespace(name);
	if (effect?.consent === undefined || yesRotate) return undefined;
	return { because: `${name}: ${effect.does}`, next: `keepmesh drill --kubernetes ${name} ${effect.consent}` };
}

async function readParts(client: KubernetesClient, namespace: string): Promise<ClusterParts> {
	const { findClusterParts } = await import("../drill/cluster-parts.ts");
	return findClusterParts(client, namespace).catch((error: unknown) => {
		const because = error instanceof Error ? error.message : String(error);
		throw new CliError(exitCodes.unavailable, because, "kubectl auth whoami");
	});
}

async function open(client: KubernetesClient, parts: ClusterParts, flags: KubernetesDrillFlags) {
	const { address, moveOthers, outage, rate, systemNamespace } = flags;
	// Virtual IPs and layer 4 can be there by themselves.
	const possible =
		parts.agentNodes.length > 0 ? parts.agentNodes : [...new Set([...parts.vipNodes, ...parts.layer4Nodes])];
	const node = flags.node ?? possible[0];
	if (node === undefined || !possible.includes(node))
		throw new CliError(
			exitCodes.unavailable,
			`nothing of Keepmesh is ready on ${node ?? "any Node"}`,
			`kubectl get pods -n ${systemNamespace} -o wide`,
		);
	// A second one, so that requests cross from node to node; on no others anything happens.
	const other = possible.find((one) => one !== node);
	const nodes = other === undefined ? [node] : [node, other];
	const state = flags.nodeState ?? parts.state;
	const namespace = `keepmesh-drill-${process.pid}`;
	say(`pods are made on ${nodes.join(" and ")}, in namespace ${namespace} ...`);
	const { openKubernetesDrillMesh } = await import("../drill/kubernetes-drill-mesh.ts");
	const opened = await openKubernetesDrillMesh(client, {
		namespace,
		nodes,
		systemNamespace,
		image: flags.image ?? parts.image ?? "",
		limitMs,
		...(state === undefined ? {} : { state }),
		...(address === undefined ? {} : { address }),
		...(moveOthers ? { moveOthers } : {}),
		...(rate === undefined ? {} : { ratePerSecond: rate }),
		...(outage === undefined ? {} : { outageMs: outage * 1000 }),
	}).catch((error: unknown) => {
		const because = error instanceof Error ? error.message : String(error);
		throw new CliError(exitCodes.unavailable, because, "keepmesh check --kubernetes");
	});
	return {
		mesh: opened.mesh,
		close: async () => {
			await opened.close();
			client.close();
		},
	};
}

// Which drills a cluster can do, and what each needs of it. In: the drill's name, what the cluster has. Out: why it cannot, and what to
// do about it.

import type { ClusterParts } from "./cluster-parts.ts";

export interface Lack {
	readonly because: string;
	/** The next thing to type. */
	readonly next: string;
}

type Need = "twoNodes" | "twoControlPlanes" | "virtualIps" | "layer4";

/** One line for each drill that is there; the lab has others. */
const needs: Readonly<Record<string, readonly Need[]>> = {
	none: [],
	"sidecar-crash": [],
	"sidecar-hang": [],
	"agent-and-sidecar": [],
	restore: [],
	"spare-takeover": [],
	"spare-bypass": [],
	"agent-restart": [],
	"agent-upgrade": [],
	"proxy-upgrade": [],
	"pod-drain": [],
	"control-planes-down": [],
	"leader-crash": ["twoControlPlanes"],
	partition: ["twoNodes"],
	"backend-crash": [],
	"bad-config": [],
	"control-upgrade": [],
	"rotate-leaf": [],
	"rotate-issuer": [],
	"rotate-root": [],
	"l4-backend-crash": ["layer4"],
	"vip-crash": ["virtualIps"],
	"vip-stop": ["virtualIps"],
	"vip-health": ["virtualIps"],
	"vip-split": ["virtualIps"],
	"vip-forged": ["virtualIps"],
};

/** Why no cluster can do them. */
const onlyInLab: Readonly<Record<string, string>> = {
	"l4-node-loss":
		"on a cluster each node balances what comes to it under its own address, so no other node can take its connections over",
};

/** In the order of the table. */
export const kubernetesDrills: readonly string[] = Object.keys(needs);

export function lackFor(drill: string, parts: ClusterParts): Lack | undefined {
	const needed = needs[drill];
	const why = onlyInLab[drill];
	if (!needed) return { because: `${drill} needs a lab${why ? `: ${why}` : ""}`, next: `keepmesh drill ${drill}` };
	const byThemselves: readonly Need[] = ["virtualIps", "layer4"];
	if (parts.agentNodes.length === 0 && !needed.some((need) => byThemselves.includes(need)))
		return {
			because: `${drill} needs a node agent, and none is ready`,
			next: "kubectl get pods -A -l app.kubernetes.io/name=keepmesh-node -o wide",
		};
	for (const need of needed) {
		const lack = lackOf(need, parts);
		if (lack) return { ...lack, because: `${drill} ${lack.because}` };
	}
	return undefined;
}

function lackOf(need: Need, { agentNodes, controlPlanes, layer4Nodes, vipNodes }: ClusterParts): Lack | undefined {
	switch (need) {
		case "twoNodes":
			if (agentNodes.length >= 2) return undefined;
			return { because: `needs agents on two nodes, and there are ${agentNodes.length}`, next: "kubectl get nodes" };
		case "twoControlPlanes":
			if (controlPlanes >= 2) return undefined;
			return {
				because: `needs two control planes that are ready, and there are ${controlPlanes}`,
				next: "keepmesh upgrade --set control.replicas=2",
			};
		case "virtualIps":
			if (vipNodes.length >= 2) return undefined;
			return {
				because: `needs virtual IPs on two nodes, and they are on ${vipNodes.length}`,
				next: "keepmesh upgrade --set vip.enabled=true",
			};
		case "layer4":
			if (layer4Nodes.length > 0) return undefined;
			return { because: "needs layer 4, which is off here", next: "keepmesh upgrade --set node.layer4.enabled=true" };
		default:
			return need satisfies never;
	}
}

// The drills' mesh, made of pods on a real cluster: puts the capabilities together, each in a file of its own beside this one and made
// when a drill asks for it first. In: the API server. Out: a DrillMesh.

import { setTimeout as sleep } from "node:timers/promises";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import type { DrillMesh } from "../../lab/drill/drill-mesh.ts";
import type { DrillUpgrades } from "../../lab/drill/drill-upgrades.ts";
import type { DrillPlace } from "./drill-place.ts";
import { kubernetesAgents } from "./kubernetes-agents.ts";
import { kubernetesCertificates } from "./kubernetes-certificates.ts";
import { upgradeControlPlanes } from "./kubernetes-control-upgrade.ts";
import { makeDrillNamespace } from "./kubernetes-drill-namespace.ts";
import { type DrillPodsOptions, KubernetesDrillPods } from "./kubernetes-drill-pods.ts";
import { kubernetesLayer4 } from "./kubernetes-layer4.ts";
import { kubernetesLeader } from "./kubernetes-leader.ts";
import { kubernetesMeshLoad } from "./kubernetes-mesh-load.ts";
import { kubernetesOutages } from "./kubernetes-outages.ts";
import { kubernetesSidecar } from "./kubernetes-sidecar.ts";
import { kubernetesSpare } from "./kubernetes-spare.ts";
import { kubernetesUpgrades } from "./kubernetes-upgrades.ts";
import { kubernetesVirtualIp } from "./kubernetes-virtual-ip.ts";

export interface KubernetesDrillOptions extends DrillPodsOptions {
	/** Of each load; default as the load has it. */
	readonly ratePerSecond?: number;
	/** See DrillMesh. */
	readonly outageMs?: number;
	/** See DrillPlace. */
	readonly address?: string;
	/** See DrillPlace. */
	readonly moveOthers?: boolean;
	/** Namespace of Keepmesh itself. */
	readonly systemNamespace: string;
}

export interface KubernetesDrillMesh {
	readonly mesh: DrillMesh;
	/** What was made for it goes, and what was broken is whole again. */
	close(): Promise<void>;
}

/** Resolves when it has a namespace. */
export async function openKubernetesDrillMesh(
	client: KubernetesClient,
	options: KubernetesDrillOptions,
): Promise<KubernetesDrillMesh> {
	const { address, limitMs, moveOthers, nodes, outageMs, ratePerSecond, systemNamespace } = options;
	const pods = new KubernetesDrillPods(client, options);
	const rate = ratePerSecond === undefined ? {} : { ratePerSecond };
	const place: DrillPlace = {
		client,
		pods,
		nodes,
		systemNamespace,
		limitMs,
		...rate,
		...(address === undefined ? {} : { address }),
		...(moveOthers ? { moveOthers } : {}),
	};
	const namespace = await makeDrillNamespace(client, options.namespace);
	const closings: (() => Promise<void>)[] = [];

	/** Made when it is asked for first; what it must take back is taken back before its pods go. */
	function once<Capability extends object>(make: (place: DrillPlace) => Promise<Capability>) {
		let made: Promise<Capability> | undefined;
		return (): Promise<Capability> => {
			made ??= make(place).then((capability) => {
				if ("close" in capability && typeof capability.close === "function")
					closings.push(capability.close.bind(capability) as () => Promise<void>);
				return capability;
			});
			return made;
		};
	}

	const meshLoad = once(kubernetesMeshLoad);
	const agents = once(kubernetesAgents);
	const sidecar = once(async () => kubernetesSidecar(place, await agents()));
	const spare = once(kubernetesSpare);
	const layer4 = once(kubernetesLayer4);
	const virtualIp = once(kubernetesVirtualIp);
	const outages = once(async () => ({
		...(await kubernetesOutages(place, await meshLoad(), outageMs)),
		killAgents: (await agents()).kill,
	}));
	const leader = once(async () => kubernetesLeader(place, await meshLoad()));
	const certificates = once(async () => kubernetesCertificates(place, await meshLoad()));
	const upgrades = once(
		async (): Promise<DrillUpgrades> => ({
			...(await kubernetesUpgrades(place, await meshLoad(), await agents())),
			upgradeControlPlanes: () => upgradeControlPlanes(place),
		}),
	);
	const mesh: DrillMesh = {
		...(outageMs === undefined ? {} : { outageMs }),
		startLoad: async (load) => {
			switch (load) {
				case "mesh":
					return (await meshLoad()).startLoad();
				case "sidecar":
					return (await sidecar()).startLoad();
				case "newConnections":
					return (await layer4()).startLoad();
				case "virtualIp":
					return (await virtualIp()).startLoad();
				case "spare":
					return (await spare()).startLoad();
				case "keptConnections":
					return onlyInLab();
				default:
					return load satisfies never;
			}
		},
		sidecar,
		spare,
		layer4,
		virtualIp,
		outages,
		leader,
		upgrades,
		certificates: async () => (await certificates()).certificates(),
		handshakes: async () => (await certificates()).handshakes(),
		renewLeaves: async () => (await certificates()).renewLeaves(),
		rotate: async (kind) => (await certificates()).rotate(kind),
		nowMs: () => performance.now(),
		sleep: (ms) => sleep(ms),
	};
	return {
		mesh,
		close: async () => {
			for (const close of closings.reverse())
				await close().catch((error: unknown) => console.error(error instanceof Error ? error.message : error));
			await namespace.remove();
		},
	};
}

const onlyInLab = (): Promise<never> => Promise.reject(new Error("this drill needs a lab: leave --kubernetes out"));

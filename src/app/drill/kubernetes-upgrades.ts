// Upgrades of the drills, on a cluster: what an operator does there to agents, Envoys and servers. On Kubernetes a pod's Envoy is
// kubelet's, in a container of the pod: another Envoy comes with another pod, so its upgrade is a rollout of the workload.

import type { DrillUpgrades } from "../../lab/drill/drill-upgrades.ts";
import type { DrillPlace } from "./drill-place.ts";
import type { KubernetesAgents } from "./kubernetes-agents.ts";
import type { KubernetesMeshLoad } from "./kubernetes-mesh-load.ts";

export async function kubernetesUpgrades(
	{ pods }: DrillPlace,
	{ servers }: KubernetesMeshLoad,
	agents: KubernetesAgents,
): Promise<Omit<DrillUpgrades, "upgradeControlPlanes">> {
	return {
		upgradeAgents: () => agents.replace(),
		upgradeEnvoys: async () => {
			const before = await pods.ready(servers);
			const startedMs = performance.now();
			await pods.restartRollout(servers);
			const tookMs = performance.now() - startedMs;
			const now = await pods.ready(servers);
			const kept = before.filter(({ uid }) => now.some((one) => one.uid === uid));
			return { tookMs, wrong: kept.map(({ name }) => `${name} has not been replaced`) };
		},
		// The rollout ends when the last of them has gone.
		untilOldEnvoysEnded: async () => 0,
		drainServer: async () => {
			const [pod] = await pods.ready(servers);
			if (!pod) throw new Error("no server is ready");
			const startedMs = performance.now();
			await pods.remove(pod);
			await pods.until(`${pod.name} has gone`, async () => {
				const left = await pods.leaving(servers);
				return left.some(({ uid }) => uid === pod.uid) ? undefined : true;
			});
			const tookMs = performance.now() - startedMs;
			await pods.untilRolledOut(servers);
			return tookMs;
		},
	};
}

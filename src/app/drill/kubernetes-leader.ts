// The control planes' leader for drills on a cluster: found by the Lease, killed by a signal on its node. Rules are written as an
// operator writes them, into the API server.

import { leases } from "../../kubernetes/client/api-resources.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import type { DrillLeader } from "../../lab/drill/drill-leader.ts";
import type { ReplicaStatus } from "../control/replicas/replica-group.ts";
import { ClusterControls } from "./cluster-controls.ts";
import type { DrillPlace } from "./drill-place.ts";
import type { KubernetesMeshLoad } from "./kubernetes-mesh-load.ts";
import { KubernetesNumberRule } from "./kubernetes-number-rule.ts";

const leaseName = "keepmesh-control";
/** Kubelet waits up to five minutes with a container that was killed often. */
const restartLimitMs = 360_000;

export async function kubernetesLeader(place: DrillPlace, load: KubernetesMeshLoad): Promise<DrillLeader> {
	const { pods, systemNamespace } = place;
	const controls = new ClusterControls(place);
	const rule = new KubernetesNumberRule(place, load, controls);
	const { length: count } = await controls.ready();
	if (count < 2) throw new Error("two control planes are needed");
	const holder = async (): Promise<string> => {
		const lease = await pods.ask("GET", pathOf(leases, systemNamespace, leaseName));
		return (lease as { readonly spec?: { readonly holderIdentity?: string } }).spec?.holderIdentity ?? "";
	};
	let leads = "";
	return {
		whole: async () => {
			await pods.until(
				"one control plane leads and the others follow",
				async () => {
					const all = await controls.ready();
					const states = await Promise.all(
						all.map((control) => controls.ask<ReplicaStatus>(control, "/api/v1/replicas")),
					).catch(() => []);
					leads = await holder();
					const isWhole = states.every(
						({ leader, peers }) => leader === leads && peers.every(({ id }) => id !== undefined),
					);
					const leaders = states.filter(({ role }) => role === "leader").length;
					return all.length >= count && states.length === all.length && leaders === 1 && isWhole ? true : undefined;
				},
				restartLimitMs,
			);
		},
		killLeader: async () => {
			const leader = (await controls.ready()).find(({ name }) => name === leads);
			if (!leader) throw new Error(`${leads}, which holds the Lease ${leaseName}, is no control plane that is ready`);
			await controls.kill(leader);
		},
		write: (number) => rule.write(number),
		numberSeen: () => rule.numberSeen(),
	};
}

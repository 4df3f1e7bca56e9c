// Services -> clusters, each encoded once for each ServiceView: a view of another proxy, or after a change elsewhere,
// gets the same EncodedResource objects back.

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { ServiceView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import type { ClusterOptions } from "./cluster-options.ts";
import { outboundCluster } from "./outbound-cluster.ts";
import { type ProxyRole, serviceClusters, sniClusters } from "./service-clusters.ts";

interface Remembered {
	readonly mesh: MeshSettings;
	readonly resources: readonly EncodedResource[];
}

const rememberedByVariant = new Map<string, WeakMap<ServiceView, Remembered>>();

/** Clusters of all services (`eastWest`: those named by SNI); a name that two services claim goes to the first. */
export function clustersOfServices(
	services: readonly ServiceView[],
	mesh: MeshSettings,
	role: ProxyRole | "eastWest",
	options: ClusterOptions,
): EncodedResource[] {
	const variant = `${role} ${options.workloadCertificate}`;
	let remembered = rememberedByVariant.get(variant);
	if (remembered === undefined) {
		remembered = new WeakMap();
		rememberedByVariant.set(variant, remembered);
	}
	const byName = new Map<string, EncodedResource>();
	for (const view of services) {
		let known = remembered.get(view);
		if (known === undefined || known.mesh !== mesh) {
			known = { mesh, resources: clustersOfService(view, mesh, role, options) };
			remembered.set(view, known);
		}
		for (const resource of known.resources) {
			if (!byName.has(resource.name)) byName.set(resource.name, resource);
		}
	}
	return [...byName.values()];
}

function clustersOfService(
	view: ServiceView,
	mesh: MeshSettings,
	role: ProxyRole | "eastWest",
	options: ClusterOptions,
): readonly EncodedResource[] {
	const clusters = role === "eastWest" ? sniClusters(view) : serviceClusters(view, role);
	const context = { mesh, options, role: role === "eastWest" ? "gateway" : role } as const;
	return clusters.flatMap((cluster) => outboundCluster(view, cluster, context) ?? []);
}

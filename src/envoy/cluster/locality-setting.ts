// Which locality load balancing is in force for a cluster: DestinationRule, then the Service's trafficDistribution, then
// the mesh. Used by clusters (locality weights) and by endpoints (priorities and weights).

import type { MeshService } from "../../model/service.ts";
import type { LocalityLbSetting, TrafficPolicy } from "../../resources/kinds/networking.ts";

export interface LocalityPolicy {
	readonly setting: LocalityLbSetting;
	/** Priorities by distance: only with outlier detection, without which Envoy would never leave the nearest, or forced. */
	readonly failover: boolean;
}

const preferSameZone: LocalityLbSetting = {
	enabled: true,
	failoverPriority: [
		"topology.istio.io/network",
		"topology.kubernetes.io/region",
		"topology.kubernetes.io/zone",
		"topology.istio.io/subzone",
	],
};

const preferSameNode: LocalityLbSetting = {
	enabled: true,
	failoverPriority: [...(preferSameZone.failoverPriority ?? []), "kubernetes.io/hostname"],
};

/** Undefined when nothing about localities changes the balance. */
export function localityPolicy(
	service: MeshService,
	policy: TrafficPolicy | undefined,
	meshSetting: LocalityLbSetting,
): LocalityPolicy | undefined {
	const { setting, forced } = settingInForce(service, policy?.loadBalancer?.localityLbSetting, meshSetting);
	if (setting === undefined) return undefined;
	const failover = forced || policy?.outlierDetection !== undefined;
	if (!failover && !setting.distribute?.length) return undefined;
	return { setting, failover };
}

function settingInForce(
	service: MeshService,
	ofRule: LocalityLbSetting | undefined,
	ofMesh: LocalityLbSetting,
): { readonly setting: LocalityLbSetting | undefined; readonly forced: boolean } {
	if (ofRule !== undefined) return { setting: ofRule.enabled === false ? undefined : ofRule, forced: false };
	switch (service.trafficDistribution) {
		case "PreferClose":
		case "PreferSameZone":
			return { setting: preferSameZone, forced: true };
		case "PreferSameNode":
			return { setting: preferSameNode, forced: true };
		default:
			return { setting: ofMesh.enabled === false ? undefined : ofMesh, forced: false };
	}
}

// DestinationRule loadBalancer -> lb_policy, its configuration and common_lb_config. Default: LEAST_REQUEST.

import type { LoadBalancer, OutlierDetection } from "../../resources/kinds/networking.ts";
import { zeroDuration } from "../ads-source.ts";
import { durationFromText } from "../duration.ts";
import {
	Cluster_LbPolicy,
	type Cluster_SlowStartConfigSchema,
	type ClusterSchema,
} from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import type { LocalityPolicy } from "./locality-setting.ts";

type ClusterInit = MessageFields<typeof ClusterSchema>;

const defaultRingSize = 1024;

export function loadBalancerFields(setting: LoadBalancer | undefined): Pick<ClusterInit, "lbPolicy" | "lbConfig"> {
	return consistentHashFields(setting?.consistentHash) ?? simpleFields(setting);
}

/**
 * Panic routing is off (0 %): pods that are not ready are pushed as unhealthy endpoints and must not get traffic.
 * No update_merge_window: with Envoy's default an ejected or draining host keeps its share for up to a second
 * (docs/decisions/0008).
 */
export function commonLbConfig(
	outlier: OutlierDetection | undefined,
	locality: LocalityPolicy | undefined,
): NonNullable<ClusterInit["commonLbConfig"]> {
	const setting = locality?.setting;
	const weighted = setting?.distribute || (locality?.failover && (setting?.failover || setting?.failoverPriority));
	return {
		healthyPanicThreshold: { value: outlier?.minHealthPercent ?? 0 },
		updateMergeWindow: zeroDuration,
		...(weighted && { localityConfigSpecifier: { case: "localityWeightedLbConfig", value: {} } as const }),
	};
}

function simpleFields(setting: LoadBalancer | undefined): Pick<ClusterInit, "lbPolicy" | "lbConfig"> {
	const slowStartConfig = slowStart(setting);
	const simple = setting?.simple ?? "UNSPECIFIED";
	switch (simple) {
		case "RANDOM":
			return { lbPolicy: Cluster_LbPolicy.RANDOM };
		case "PASSTHROUGH":
			return { lbPolicy: Cluster_LbPolicy.CLUSTER_PROVIDED };
		case "ROUND_ROBIN":
			return {
				lbPolicy: Cluster_LbPolicy.ROUND_ROBIN,
				...(slowStartConfig && { lbConfig: { case: "roundRobinLbConfig", value: { slowStartConfig } } as const }),
			};
		case "UNSPECIFIED":
		case "LEAST_CONN":
		case "LEAST_REQUEST":
			return {
				lbPolicy: Cluster_LbPolicy.LEAST_REQUEST,
				...(slowStartConfig && { lbConfig: { case: "leastRequestLbConfig", value: { slowStartConfig } } as const }),
			};
		default:
			return simple satisfies never;
	}
}

function slowStart(setting: LoadBalancer | undefined): MessageFields<typeof Cluster_SlowStartConfigSchema> | undefined {
	const slowStartWindow = durationFromText(setting?.warmup?.duration ?? setting?.warmupDurationSecs);
	if (slowStartWindow === undefined) return undefined;
	const { minimumPercent, aggression } = setting?.warmup ?? {};
	return {
		slowStartWindow,
		...(minimumPercent !== undefined && { minWeightPercent: { value: minimumPercent } }),
		...(aggression !== undefined && {
			// Envoy insists on a runtime key; nothing sets it.
			aggression: { defaultValue: aggression, runtimeKey: "keepmesh.slow_start.aggression" },
		}),
	};
}

function consistentHashFields(
	hash: LoadBalancer["consistentHash"],
): Pick<ClusterInit, "lbPolicy" | "lbConfig"> | undefined {
	if (hash === undefined) return undefined;
	if (hash.maglev) {
		const { tableSize } = hash.maglev;
		return {
			lbPolicy: Cluster_LbPolicy.MAGLEV,
			...(tableSize && {
				lbConfig: { case: "maglevLbConfig", value: { tableSize: BigInt(tableSize) } } as const,
			}),
		};
	}
	const size = hash.ringHash ? hash.ringHash.minimumRingSize : hash.minimumRingSize || defaultRingSize;
	return {
		lbPolicy: Cluster_LbPolicy.RING_HASH,
		...(size && { lbConfig: { case: "ringHashLbConfig", value: { minimumRingSize: BigInt(size) } } as const }),
	};
}

// What layer 4 needs of its own Node object: where it is, which addresses its pods have, and whether it is being taken away.

import type { RawObject } from "../client/api-object.ts";

export interface Layer4Node {
	readonly name: string;
	/** `topology.kubernetes.io/zone` */
	readonly zone?: string;
	/** `spec.podCIDRs` */
	readonly podRanges: readonly string[];
	/** False while it is deleted, or a cluster autoscaler takes it away: load balancers are to send it nothing new. */
	readonly isEligible: boolean;
}

interface NodeSpec {
	readonly podCIDR?: string;
	readonly podCIDRs?: readonly string[];
	readonly taints?: readonly { readonly key: string }[];
}

export function layer4Node({ metadata, spec }: RawObject): Layer4Node {
	const { podCIDR, podCIDRs, taints = [] } = (spec ?? {}) as NodeSpec;
	const zone = metadata.labels?.["topology.kubernetes.io/zone"];
	const isLeaving = taints.some(({ key }) => key === "ToBeDeletedByClusterAutoscaler");
	return {
		name: metadata.name,
		...(zone ? { zone } : {}),
		podRanges: podCIDRs ?? (podCIDR ? [podCIDR] : []),
		isEligible: metadata.deletionTimestamp === undefined && !isLeaving,
	};
}

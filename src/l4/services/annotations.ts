// The annotations of a Service that layer 4 knows: keepmesh.io/l4-scheduler, keepmesh.io/l4-backend. Unknown values count as
// none here; the rules of Service warn of them.

import { type SchedulerName, schedulerNames } from "../scheduler.ts";

export const schedulerAnnotation = "keepmesh.io/l4-scheduler";
export const backendAnnotation = "keepmesh.io/l4-backend";

export const layer4Backends = ["nftables", "ipvs"] as const;
export type Layer4Backend = (typeof layer4Backends)[number];

export interface Layer4Annotations {
	readonly scheduler?: SchedulerName;
	readonly backend?: Layer4Backend;
}

export function readLayer4Annotations(annotations: Readonly<Record<string, string>>): Layer4Annotations {
	const scheduler = schedulerNames.find((name) => name === annotations[schedulerAnnotation]);
	const backend = layer4Backends.find((name) => name === annotations[backendAnnotation]);
	return { ...(scheduler && { scheduler }), ...(backend && { backend }) };
}

// What the node knows of its control planes: which there are, and how new what came from them was.

import { join } from "node:path";
import { SeenRevisions } from "../../node/control-planes/seen-revisions.ts";
import { ToldControlPlanes } from "../../node/control-planes/told-control-planes.ts";
import type { ControlPlaneAddress } from "../../replicas/control-planes-codec.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { NodePart } from "./node-part.ts";

export interface ControlPlanesPart extends NodePart {
	readonly told: ToldControlPlanes;
	readonly revisions: SeenRevisions;
}

export function controlPlanesPart(
	options: { readonly given: readonly ControlPlaneAddress[]; readonly state: string },
	parts: { readonly clock: Clock; readonly log: Log },
): ControlPlanesPart {
	const told = new ToldControlPlanes(options.given, join(options.state, "control-planes.json"), parts.log);
	const revisions = new SeenRevisions(join(options.state, "revisions.json"), parts);
	return {
		told,
		revisions,
		podRemoved: (proxyId) => revisions.forget(proxyId),
		metrics: () => revisions.metrics(),
		close: async () => {
			await Promise.all([told.close(), revisions.close()]);
		},
	};
}

// What the node knows of its control planes: which there are, who of them serves which proxy, and how new what came from them was.

import { join } from "node:path";
import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { RevisionControlPlanes } from "../../kubernetes/node/revision-control-planes.ts";
import { SeenRevisions } from "../../node/control-planes/seen-revisions.ts";
import { ToldControlPlanes } from "../../node/control-planes/told-control-planes.ts";
import type { HostPort } from "../../node/identity/control-trust.ts";
import type { ControlPlaneAddress } from "../../replicas/control-planes-codec.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { UpstreamGroup } from "../../xds/wire/relay-options.ts";
import type { NodePart } from "./node-part.ts";

export interface ControlPlanesPart extends NodePart {
	readonly told: ToldControlPlanes;
	readonly revisions: SeenRevisions;
	/** A pod is served by the control planes of its revision, while that is installed; else by the agent's own. */
	groupOf(proxyId: string): UpstreamGroup;
	/** Of all revisions, for what every one of them must know. */
	all(): readonly HostPort[];
	/** Addresses of those on one machine, as far as the API server has said. */
	hostsOn(node: string): readonly string[];
}

export interface ControlPlanesPartOptions {
	readonly given: readonly ControlPlaneAddress[];
	readonly state: string;
	/** Where several revisions may be installed. `revision`: the agent's own. */
	readonly kubernetes?: {
		readonly client: KubernetesClient;
		readonly namespace?: string;
		readonly revision?: string;
	};
}

/** With it a pod says which revision injected it. */
const revisionAnnotation = "istio.io/rev";

export function controlPlanesPart(
	{ given, kubernetes, state }: ControlPlanesPartOptions,
	parts: { readonly clock: Clock; readonly log: Log; readonly onRegrouped: () => void },
): ControlPlanesPart {
	const { clock, log, onRegrouped: onChange } = parts;
	const told = new ToldControlPlanes(given, join(state, "control-planes.json"), log);
	const revisions = new SeenRevisions(join(state, "revisions.json"), parts);
	const { client, namespace, revision: own = "default" } = kubernetes ?? {};
	const file = join(state, "control-planes-of.json");
	const installed =
		client && namespace !== undefined
			? new RevisionControlPlanes({ namespace, file }, { client, clock, log, onChange })
			: undefined;
	const revisionOf = new Map<string, string>();
	return {
		told,
		revisions,
		groupOf: (proxyId) => {
			const name = revisionOf.get(proxyId) ?? own;
			const upstreams = name === own || !installed ? undefined : installed.of(name);
			return upstreams ? { name, upstreams } : { name: installed ? own : "", upstreams: told.addresses };
		},
		all: () => {
			if (!installed) return told.addresses;
			return installed.of(own) ? installed.all() : [...told.addresses, ...installed.all()];
		},
		hostsOn: (node) => installed?.hostsOn(node) ?? [],
		podAdded: (proxyId, { annotations }) => {
			const revision = annotations[revisionAnnotation];
			if (revision !== undefined) revisionOf.set(proxyId, revision);
			else revisionOf.delete(proxyId);
		},
		podRemoved: (proxyId) => {
			revisionOf.delete(proxyId);
			revisions.forget(proxyId);
		},
		started: () => installed?.open(),
		metrics: () => revisions.metrics(),
		close: async () => {
			installed?.close();
			await Promise.all([told.close(), revisions.close()]);
		},
	};
}

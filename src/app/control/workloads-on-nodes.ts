// Where workloads are, from the resources: Pods by spec.nodeName, WorkloadEntries by the annotation keepmesh.io/node.

import type { SpiffeId } from "../../identity/spiffe-id.ts";
import { objectsOf } from "../../snapshot/object-store.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { nodeAnnotation } from "../../snapshot/workload-facts.ts";

type ServiceAccount = Pick<SpiffeId, "namespace" | "serviceAccount">;

export class WorkloadsOnNodes {
	#of: readonly [pods: unknown, entries: unknown] = [undefined, undefined];
	#known: ReadonlySet<string> = new Set();

	/** Some Pod or WorkloadEntry of that namespace and service account is on the node. */
	isOnNode({ objects }: Snapshot, node: string, { namespace, serviceAccount }: ServiceAccount): boolean {
		if (objects.Pod !== this.#of[0] || objects.WorkloadEntry !== this.#of[1]) {
			this.#of = [objects.Pod, objects.WorkloadEntry];
			this.#known = new Set(placesIn(objects));
		}
		return this.#known.has(placeName(node, namespace, serviceAccount));
	}
}

function* placesIn(objects: Snapshot["objects"]): Generator<string> {
	for (const { metadata, spec } of objectsOf(objects, "Pod").values())
		if (spec.nodeName) yield placeName(spec.nodeName, metadata.namespace, spec.serviceAccountName ?? "default");
	for (const { metadata, spec } of objectsOf(objects, "WorkloadEntry").values()) {
		const node = metadata.annotations[nodeAnnotation];
		if (node !== undefined) yield placeName(node, metadata.namespace, spec.serviceAccount ?? "default");
	}
}

const placeName = (node: string, namespace: string, serviceAccount: string): string =>
	`${node} ${namespace} ${serviceAccount}`;

// Which proxies with a workload certificate there are, whether they are connected or not: a rotation waits for those that are
// cut off, because they come back with what they trusted last.

import type { ConfigObject } from "../../resources/config-object.ts";
import { objectsOf } from "../../snapshot/object-store.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { readinessOfPod } from "../../snapshot/workload-facts.ts";

const mutualTlsLabel = "security.istio.io/tlsMode";

/** Names like `reviews-v1-abc.default`, sorted. Pods that run, and take mutual TLS or were `seen` with a certificate. */
export function expectedProxies(snapshot: Snapshot, seen: ReadonlySet<string>): readonly string[] {
	const names: string[] = [];
	for (const pod of objectsOf(snapshot.objects, "Pod").values()) {
		const { name, namespace, labels } = pod.metadata;
		const proxy = `${name}.${namespace}`;
		if (isRunning(pod) && (labels[mutualTlsLabel] === "istio" || seen.has(proxy))) names.push(proxy);
	}
	return names.sort();
}

function isRunning(pod: ConfigObject<"Pod">): boolean {
	const readiness = readinessOfPod(pod);
	return readiness === "ready" || readiness === "notReady";
}

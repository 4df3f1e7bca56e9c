// Resources and a node -> everything that this one proxy would get, without a control plane.

import { generateProxyConfig } from "../../envoy/generate-proxy-config.ts";
import type { AnyObject } from "../../resources/config-object.ts";
import type { Change } from "../../snapshot/change.ts";
import { proxyFromNode } from "../../snapshot/proxy-from-node.ts";
import { applyChanges, emptySnapshot } from "../../snapshot/snapshot.ts";
import { viewFor } from "../../snapshot/view-for.ts";
import type { ProxyConfig } from "../../xds/resource.ts";

export type OfflineConfig =
	| { readonly ok: true; readonly config: ProxyConfig }
	| { readonly ok: false; readonly because: string };

/** `node.metadata`: as an xDS client sends it: NAMESPACE, LABELS, CLUSTER_ID, INSTANCE_IPS. */
export function generateOffline(
	objects: readonly AnyObject[],
	node: { readonly id: string; readonly metadata: unknown },
): OfflineConfig {
	const made = proxyFromNode(node);
	if (!made.ok) return made;
	const changes = objects.map((object): Change => ({ type: "objectApplied", object }));
	const { snapshot } = applyChanges(emptySnapshot(), changes);
	return { ok: true, config: generateProxyConfig(made.proxy, viewFor(snapshot, made.proxy)) };
}

// The replicas of a control plane as its Service has them. In: EndpointSlices. Out: where the others are reached.

import type { ConfigObject } from "../../resources/config-object.ts";
import type { HostPort } from "../control/control-options.ts";

/** Sorted. One that ends is still listed while it serves. `own` is left out, and says the port of all. */
export function replicasIn(
	slices: Iterable<ConfigObject<"EndpointSlice">>,
	{ namespace, service }: { readonly namespace: string; readonly service: string },
	own: HostPort,
): readonly HostPort[] {
	const hosts = new Set<string>();
	for (const { metadata, spec } of slices) {
		if (metadata.namespace !== namespace || metadata.labels["kubernetes.io/service-name"] !== service) continue;
		for (const { addresses, conditions } of spec.endpoints)
			if (conditions?.ready !== false || conditions.serving) for (const address of addresses) hosts.add(address);
	}
	hosts.delete(own.host);
	return [...hosts].sort().map((host) => ({ host, port: own.port }));
}

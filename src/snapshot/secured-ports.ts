// Of services whose clients connect to the endpoint that they chose themselves (headless ones): the ports of which every
// endpoint takes the mesh's mutual TLS. A proxy cannot look such an endpoint up, so that all must be alike: Istio's rule.

import type { Endpoint, ServiceEndpoints } from "../model/endpoint.ts";
import type { ServiceKey } from "../model/service.ts";
import { PersistentMap } from "./persistent-map.ts";
import { keepIdentity } from "./same-value.ts";
import type { AccountChanges } from "./service-accounts.ts";

/** Service ports, sorted. */
export type SecuredPorts = PersistentMap<readonly number[]>;

export const noSecuredPorts: SecuredPorts = PersistentMap.empty();

/** `previous` itself when all lists are as before. */
export function updateSecuredPorts(previous: SecuredPorts, changes: AccountChanges): SecuredPorts {
	const { before, after } = changes.registry;
	const discoveryOf = (registry: typeof after, key: ServiceKey) => registry.byKey.get(key)?.service.discovery;
	const moved = new Set(changes.changed);
	if (before !== after)
		for (const key of after.byKey.keys()) if (discoveryOf(before, key) !== discoveryOf(after, key)) moved.add(key);
	return previous.with(
		[...moved].flatMap((key) => {
			const passthrough = discoveryOf(after, key) === "passthrough";
			if (!passthrough && previous.get(key) === undefined) return [];
			const found = passthrough ? securedPortsOf(changes.byService.get(key)) : [];
			return [[key, found.length === 0 ? undefined : keepIdentity(previous.get(key), found)] as const];
		}),
	);
}

function securedPortsOf(endpoints: ServiceEndpoints | undefined): readonly number[] {
	return [...(endpoints?.byPort ?? [])]
		.filter(([, list]) => list.length > 0 && list.every(isSecured))
		.map(([port]) => port)
		.sort((a, b) => a - b);
}

/** One whose proxy is passed by for a while counts: it is no reason to speak plaintext with all the others. */
function isSecured({ tlsMode, servingStep }: Endpoint): boolean {
	return tlsMode === "istio" || servingStep === "direct";
}

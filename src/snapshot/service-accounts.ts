// Who may answer for each service of the mesh: the service accounts of its workloads. A map that stays the same object, list by
// list, while pods come and go under the same accounts, so that clusters are made again only when they must name others.

import type { Endpoint, ServiceEndpoints } from "../model/endpoint.ts";
import type { ServiceKey } from "../model/service.ts";
import { PersistentMap } from "./persistent-map.ts";
import { keepIdentity } from "./same-value.ts";
import type { ServiceRegistry } from "./service-registry.ts";

/** `NAMESPACE/SERVICE-ACCOUNT`, sorted. Services outside of the mesh, and those of which no account is known, are not in it. */
export type ServiceAccounts = PersistentMap<readonly string[]>;

export const noAccounts: ServiceAccounts = PersistentMap.empty();

export interface AccountChanges {
	readonly registry: { readonly before: ServiceRegistry; readonly after: ServiceRegistry };
	readonly byService: ReadonlyMap<ServiceKey, ServiceEndpoints>;
	/** Services whose endpoints changed. */
	readonly changed: ReadonlySet<ServiceKey>;
}

/** `previous` itself when all lists are as before. */
export function updateAccounts(previous: ServiceAccounts, changes: AccountChanges): ServiceAccounts {
	const { before, after } = changes.registry;
	const moved = new Set(changes.changed);
	if (before !== after)
		for (const [key, { service }] of after.byKey)
			if (before.byKey.get(key)?.service.meshExternal !== service.meshExternal) moved.add(key);
	return previous.with(
		[...moved].map((key) => {
			const service = after.byKey.get(key)?.service;
			const found = service === undefined || service.meshExternal ? [] : accountsOf(changes.byService.get(key));
			return [key, found.length === 0 ? undefined : keepIdentity(previous.get(key), found)] as const;
		}),
	);
}

function accountsOf(endpoints: ServiceEndpoints | undefined): readonly string[] {
	const accounts = new Set<string>();
	let last: Endpoint | undefined;
	for (const list of endpoints?.byPort.values() ?? [])
		for (const endpoint of list) {
			const { namespace, serviceAccount } = endpoint;
			// Mostly all are the same: then no text is made for each.
			if (serviceAccount === "" || (last?.serviceAccount === serviceAccount && last.namespace === namespace)) continue;
			last = endpoint;
			accounts.add(`${namespace}/${serviceAccount}`);
		}
	return [...accounts].sort();
}

// The services that a client may call, one for each host name, each with the DestinationRules that apply to that client.

import type { AuthorizationProvider } from "../model/security.ts";
import type { MeshService } from "../model/service.ts";
import type { ServiceView } from "../model/view.ts";
import { destinationFor } from "./destination-rule-index.ts";
import { type EgressScope, portsInScope } from "./egress-scope.ts";
import type { ServiceParts } from "./routing.ts";
import { sameItems } from "./same-value.ts";
import { isVisibleTo } from "./visibility.ts";

export interface Client {
	readonly namespace: string;
	readonly labels: Readonly<Record<string, string>>;
}

/** Sorted by host name. `alsoHosts` are destinations of rules in scope, brought in whole whatever the scope says. */
export function serviceViewsFor(
	routing: ServiceParts,
	client: Client,
	scope?: EgressScope,
	alsoHosts: ReadonlySet<string> = new Set(),
): readonly ServiceView[] {
	const views: ServiceView[] = [];
	const providers = Map.groupBy(routing.providers, (provider) => provider.host);
	for (const [host, candidates] of routing.registry.byHost) {
		const asked = providers.get(host);
		const visible = candidates.filter((service) => isVisibleTo(service.exportTo, client.namespace));
		const isNeeded = asked !== undefined || alsoHosts.has(host);
		const found = scope === undefined ? visible[0] : scopedService(visible, scope, isNeeded);
		const service = found ?? (asked && serviceOfProvider(candidates, asked));
		if (service === undefined) continue;
		const { key } = service;
		const destination = destinationFor(routing.destinationRules, service, client.namespace, client.labels);
		views.push(
			serviceView({
				service,
				destination,
				endpoints: routing.dnsEndpoints.get(key),
				accounts: routing.accounts.get(key),
				securedPorts: routing.securedPorts.get(key),
			}),
		);
	}
	return views;
}

/** The proxy itself asks external authorisers, so no scope and no exportTo keeps them from it. */
function serviceOfProvider(
	candidates: readonly MeshService[],
	providers: readonly AuthorizationProvider[],
): MeshService | undefined {
	const named = new Set(providers.map((provider) => provider.namespace));
	return candidates.find((service) => named.has(undefined) || named.has(service.namespace));
}

function scopedService(
	visible: readonly MeshService[],
	scope: EgressScope,
	isDestination: boolean,
): MeshService | undefined {
	for (const service of visible) {
		const ports = portsInScope(scope, service);
		if (ports === undefined) continue;
		return isDestination || ports === service.ports ? service : withPorts(service, ports);
	}
	return isDestination ? visible[0] : undefined;
}

/** Equal cuts and equal views of a service are one object for all clients and snapshots. */
const cuts = new WeakMap<MeshService, MeshService[]>();
const rememberedViews = new WeakMap<MeshService, ServiceView[]>();

function withPorts(service: MeshService, ports: MeshService["ports"]): MeshService {
	const known = cuts.get(service) ?? [];
	cuts.set(service, known);
	const same = known.find((cut) => sameItems(cut.ports, ports));
	if (same !== undefined) return same;
	const cut = { ...service, ports };
	known.push(cut);
	return cut;
}

/** Everything of a ServiceView, with undefined for what is absent. */
type Facts = { readonly [Key in keyof Required<ServiceView>]: ServiceView[Key] };

function serviceView({ service, destination, endpoints, accounts, securedPorts }: Facts): ServiceView {
	const known = rememberedViews.get(service) ?? [];
	rememberedViews.set(service, known);
	const same = known.find(
		(view) =>
			view.destination === destination &&
			view.endpoints === endpoints &&
			view.accounts === accounts &&
			view.securedPorts === securedPorts,
	);
	if (same !== undefined) return same;
	const view: ServiceView = {
		service,
		...(destination === undefined ? {} : { destination }),
		...(endpoints === undefined ? {} : { endpoints }),
		...(accounts === undefined ? {} : { accounts }),
		...(securedPorts === undefined ? {} : { securedPorts }),
	};
	// A service whose rules change often must not gather views for ever.
	if (known.length >= 16) known.shift();
	known.push(view);
	return view;
}

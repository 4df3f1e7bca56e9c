// A snapshot and a proxy -> all that this proxy may know. Views that say the same are the same object: outbound and gateway
// views across proxies and snapshots, the others for the same proxy across snapshots.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { EndpointsView, ProxyView, SecretView, ServiceView } from "../model/view.ts";
import { gatewayViewFor } from "./gateway-view.ts";
import { hotSwitchPolicyFor } from "./hot-switch-policies.ts";
import { inboundViewFor } from "./inbound-view.ts";
import { outboundViewFor } from "./outbound-view.ts";
import { keepIdentity, sameValue } from "./same-value.ts";
import { credentialsOfGateway, credentialsOfServices, secretViewsFor } from "./secret-views.ts";
import type { Snapshot } from "./snapshot.ts";

export function viewFor(snapshot: Snapshot, proxy: MeshProxy): ProxyView {
	const previous = snapshot.memo.views.get(proxy);
	const { credentials, ...parts } =
		proxy.type === "router" ? gatewayParts(snapshot, proxy) : sidecarParts(snapshot, proxy);
	const sharer = parts.gateway ?? parts.outbound;
	const secrets = secretsFor(snapshot, proxy, sharer ?? proxy, credentials, previous?.secrets);
	const next: ProxyView = { ...parts, secrets, endpoints: endpointsViewFor(snapshot, proxy, previous?.endpoints) };
	const view = previous !== undefined && sameParts(previous, next) ? previous : next;
	snapshot.memo.views.set(proxy, view);
	return view;
}

interface RoutedParts extends Pick<ProxyView, "outbound" | "inbound" | "gateway" | "hotSwitch"> {
	/** Names of the TLS secrets that they need. */
	readonly credentials: readonly string[];
}

function sidecarParts(snapshot: Snapshot, proxy: MeshProxy): RoutedParts {
	const outbound = outboundViewFor(snapshot, proxy);
	// On sidecars a DestinationRule's credential counts only when the rule selects workloads: it must be meant for this one.
	const selecting = (snapshot.routing.destinationRules.byNamespace.get(proxy.namespace)?.selectors ?? []).length > 0;
	const credentials = selecting ? credentialsOfServices(outbound.services.filter(isForSelectedClients(snapshot))) : [];
	const inbound = inboundViewFor(snapshot, proxy);
	const { namespace, labels } = proxy;
	const hotSwitch = hotSwitchPolicyFor(snapshot, { namespace, labels, inbound });
	return { outbound, inbound, hotSwitch, credentials };
}

function isForSelectedClients(snapshot: Snapshot): (view: ServiceView) => boolean {
	const rules = snapshot.objects.DestinationRule;
	return ({ destination }) => {
		const rule = rules?.get(destination?.sources[0] ?? "");
		return rule?.kind === "DestinationRule" && rule.spec.workloadSelector !== undefined;
	};
}

function gatewayParts(snapshot: Snapshot, proxy: MeshProxy): RoutedParts {
	const gateway = gatewayViewFor(snapshot, proxy);
	const credentials = [...credentialsOfGateway(gateway), ...credentialsOfServices(gateway.services)];
	return { gateway, credentials };
}

/** `sharer` is the view that names the credentials: proxies that share it share its secrets, as it belongs to one namespace. */
function secretsFor(
	snapshot: Snapshot,
	proxy: MeshProxy,
	sharer: object,
	credentials: readonly string[],
	previous: readonly SecretView[] | undefined,
): readonly SecretView[] {
	const found = secretViewsFor(snapshot.objects, proxy.namespace, credentials);
	if (found.length === 0) return noSecrets;
	const secrets = keepIdentity(snapshot.memo.secrets.get(sharer) ?? previous, found);
	snapshot.memo.secrets.set(sharer, secrets);
	return secrets;
}

const noSecrets: readonly SecretView[] = [];

function sameParts(a: ProxyView, b: ProxyView): boolean {
	return (
		a.outbound === b.outbound &&
		a.inbound === b.inbound &&
		a.gateway === b.gateway &&
		a.hotSwitch === b.hotSwitch &&
		a.endpoints === b.endpoints &&
		a.secrets === b.secrets
	);
}

function endpointsViewFor(snapshot: Snapshot, proxy: MeshProxy, previous: EndpointsView | undefined): EndpointsView {
	const { locality, network, clusterId, labels } = proxy;
	const byService = snapshot.endpoints.byService;
	if (previous !== undefined && previous.byService === byService && sameValue(previous.labels, labels)) return previous;
	return { byService, locality, network, clusterId, labels };
}

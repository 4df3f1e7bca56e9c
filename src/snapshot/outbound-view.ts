// What sidecars of one scope send to: services, rules (the oldest rule owns a host, whole), and what happens to the rest.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { OutboundView, RoutingRule } from "../model/view.ts";
import { autoScope } from "./auto-scope.ts";
import { type EgressScope, egressScopeOf, isRuleInScope } from "./egress-scope.ts";
import { selects } from "./label-selector.ts";
import { objectNamed } from "./object-store.ts";
import { egressAnnotation, type Routing } from "./routing.ts";
import { ruleFor } from "./routing-rule.ts";
import { keepIdentity } from "./same-value.ts";
import { type Client, serviceViewsFor } from "./service-views.ts";
import { sidecarFor } from "./sidecar-selection.ts";
import type { Snapshot } from "./snapshot.ts";
import type { PreparedVirtualService } from "./virtual-service-index.ts";
import { isVisibleTo } from "./visibility.ts";

/** The same object for all sidecars that may see the same, and as long as what they see stays the same. */
export function outboundViewFor(snapshot: Snapshot, proxy: MeshProxy): OutboundView {
	const { routing, memo } = snapshot;
	const sidecar = sidecarFor(routing, proxy);
	const isAuto = sidecar === undefined && routing.mesh.sidecarScope === "auto";
	const annotation = isAuto ? podEgress(snapshot, proxy) : "";
	const answers = labelAnswers(routing, proxy);
	const source = sidecar === undefined ? (isAuto ? `auto ${annotation}` : "all") : sidecar.metadata.name;
	const home = sidecar?.metadata.namespace ?? "";
	return memo.outbound.get(proxy.namespace, `${home}|${source}|${answers}`, routing, (previous) => {
		const scope = isAuto
			? autoScope(routing, proxy.namespace, annotation)
			: egressScopeOf(sidecar?.spec.egress, proxy.namespace, routing.mesh.domainSuffix);
		const policy = sidecar?.spec.outboundTrafficPolicy?.mode ?? routing.mesh.outboundTrafficPolicy;
		const rules = meshRules(routing, proxy, scope);
		const services = scope === undefined ? sharedServices(snapshot, proxy) : scopedServices(routing, proxy, scope);
		return {
			namespace: proxy.namespace,
			mesh: routing.mesh,
			services: keepIdentity(previous?.services, services),
			rules: keepIdentity(previous?.rules, rules),
			outboundTrafficPolicy: policy,
		};
	});
}

/** All services visible to a client, shared between everything that shows them. */
export function sharedServices(snapshot: Snapshot, client: Client): OutboundView["services"] {
	const { routing, memo } = snapshot;
	const selectors = routing.destinationRules.byNamespace.get(client.namespace)?.selectors ?? [];
	const answers = selectors.map((selector) => (selects(selector, client.labels) ? "1" : "0")).join("");
	return memo.services.get(client.namespace, answers, routing.serviceParts, () =>
		serviceViewsFor(routing.serviceParts, client),
	);
}

/** Which of the conditions on clients' labels hold: proxies with equal answers see the same rules. */
function labelAnswers(routing: Routing, client: Client): string {
	const ofRules = routing.destinationRules.byNamespace.get(client.namespace)?.selectors ?? [];
	return [...routing.clientSelectors, ...ofRules].map((one) => (selects(one, client.labels) ? "1" : "0")).join("");
}

function podEgress(snapshot: Snapshot, proxy: MeshProxy): string {
	const pod = objectNamed(snapshot.objects, "Pod", proxy.namespace, proxy.name);
	return pod?.metadata.annotations[egressAnnotation] ?? "";
}

function scopedServices(routing: Routing, client: Client, scope: EgressScope): OutboundView["services"] {
	const destinations = new Set<string>();
	for (const rule of visibleMeshRules(routing, client, scope))
		for (const host of rule.destinations) destinations.add(host);
	return serviceViewsFor(routing, client, scope, destinations);
}

function meshRules(routing: Routing, client: Client, scope: EgressScope | undefined): readonly RoutingRule[] {
	const owned = new Set<string>();
	const rules: RoutingRule[] = [];
	for (const prepared of visibleMeshRules(routing, client, scope)) {
		const hosts = prepared.hosts.filter((host) => !owned.has(host));
		for (const host of hosts) owned.add(host);
		const rule = ruleFor(prepared, hosts, { gateway: "mesh", namespace: client.namespace, labels: client.labels });
		if (rule !== undefined) rules.push(rule);
	}
	return rules;
}

function visibleMeshRules(
	routing: Routing,
	client: Client,
	scope: EgressScope | undefined,
): readonly PreparedVirtualService[] {
	return routing.virtualServices.prepared.filter(
		(rule) =>
			rule.gateways.includes("mesh") &&
			isVisibleTo(rule.exportTo, client.namespace) &&
			(scope === undefined || isRuleInScope(scope, rule)),
	);
}

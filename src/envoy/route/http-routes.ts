// The http section of a VirtualService -> encoded Routes, in its order. Nothing after a route that takes every request.

import { create, toBinary } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { RoutingRule, ServiceView } from "../../model/view.ts";
import type { Destination, HttpMatch, HttpRoute } from "../../resources/kinds/networking.ts";
import { packAny } from "../encode-resource.ts";
import { RouteSchema } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { CorsPolicySchema } from "../gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
import { HTTPFaultSchema } from "../gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
import { configPath, istioMetadata } from "../istio-metadata.ts";
import type { MessageFields } from "../message-fields.ts";
import { directResponseAction, redirectAction } from "./answer-action.ts";
import { corsPolicy } from "./cors-policy.ts";
import { httpFault } from "./fault.ts";
import { forwardAction, type RouteActionFields } from "./forward-action.ts";
import { headerChanges, joinedChanges } from "./header-operations.ts";
import { meshHttpConfig } from "./mesh-http.ts";
import { isCatchAll, pathText, type RouteMatchFields, routeMatch } from "./route-match.ts";
import { destinationCluster, type RouteScope } from "./route-scope.ts";

export type RouteFields = MessageFields<typeof RouteSchema>;

export interface EncodedRoute {
	readonly bytes: Uint8Array;
	/** No request gets past it. */
	readonly catchAll: boolean;
}

/** Names of the filters that a route configures; listeners carry both in every HTTP filter chain. */
export const faultFilter = "envoy.filters.http.fault";
export const corsFilter = "envoy.filters.http.cors";

/** Empty when the rule has nothing for this port. */
export function httpRoutes(rule: RoutingRule, scope: RouteScope): readonly EncodedRoute[] {
	const routes: EncodedRoute[] = [];
	for (const route of rule.http) {
		for (const match of route.match?.length ? route.match : [undefined]) {
			if (match?.port && match.port !== scope.port) continue;
			const matcher = routeMatch(match, scope.verifiesTokens);
			if (matcher === undefined) continue;
			const catchAll = isCatchAll(matcher);
			routes.push({ bytes: encodeRoute(httpRoute(rule, route, match, matcher, scope)), catchAll });
			if (catchAll) return routes;
		}
	}
	return routes;
}

export function encodeRoute(fields: RouteFields): Uint8Array {
	return toBinary(RouteSchema, create(RouteSchema, fields));
}

function httpRoute(
	rule: RoutingRule,
	route: HttpRoute,
	match: HttpMatch | undefined,
	matcher: RouteMatchFields,
	scope: RouteScope,
): RouteFields {
	const action = actionOf(route, scope);
	const sole = route.route?.length === 1 ? route.route[0] : undefined;
	const own = headerChanges(route.headers);
	return {
		name: (route.name ?? "") + (match?.name ? `.${match.name}` : ""),
		match: matcher,
		action,
		metadata: istioMetadata({ config: configPath(rule.source) }),
		decorator: { operation: operation(rule, matcher, action, scope) },
		statPrefix: match?.statPrefix ?? "",
		typedPerFilterConfig: { ...filterConfig(route), ...(sole && meshHttpOf(sole.destination, scope)) },
		...(action?.case === "route" && sole ? joinedChanges(own, headerChanges(sole.headers)) : own),
	};
}

function meshHttpOf(destination: Destination, scope: RouteScope): { [filter: string]: Any } {
	const { service, port } = destinationCluster(destination, scope);
	return meshHttpConfig(service, port, destination.subset ?? "");
}

/** A route that cannot be carried out answers 500, rather than letting its requests fall to the routes after it. */
function actionOf(route: HttpRoute, scope: RouteScope): RouteFields["action"] {
	const unsupported = { case: "directResponse", value: { status: 500 } } as const;
	if (route.redirect) {
		const value = redirectAction(route.redirect, scope);
		return value ? { case: "redirect", value } : unsupported;
	}
	if (route.directResponse) return { case: "directResponse", value: directResponseAction(route.directResponse) };
	const value = forwardAction(route, scope);
	return value ? { case: "route", value } : unsupported;
}

function filterConfig(route: HttpRoute): { [filter: string]: Any } {
	const fault = route.fault && httpFault(route.fault);
	return {
		...(route.corsPolicy && { [corsFilter]: packAny(CorsPolicySchema, corsPolicy(route.corsPolicy)) }),
		...(fault && { [faultFilter]: packAny(HTTPFaultSchema, fault) }),
	};
}

/** `reviews.default.svc.cluster.local:9080/api*`, or the rule's name where there is no single destination. */
function operation(
	rule: RoutingRule,
	matcher: RouteMatchFields,
	action: RouteFields["action"],
	scope: RouteScope,
): string {
	const specifier = action?.case === "route" ? (action.value as RouteActionFields).clusterSpecifier : undefined;
	if (specifier?.case === "cluster") {
		const [, port, , host] = specifier.value.split("|");
		return `${host}:${port}${pathText(matcher)}`;
	}
	return `${rule.source.split("/")[2]}:${scope.port}${pathText(matcher)}`;
}

interface Remembered {
	readonly scope: Omit<RouteScope, "services">;
	/** What the services named by the rule were. */
	readonly named: readonly (readonly [string, ServiceView | undefined])[];
	readonly routes: readonly EncodedRoute[];
}

const remembered = new WeakMap<RoutingRule, Remembered[]>();

/** As `httpRoutes`, made again only when the rule or a service that it names has changed. */
export function rememberedHttpRoutes(rule: RoutingRule, scope: RouteScope): readonly EncodedRoute[] {
	const known = (remembered.get(rule) ?? []).filter(
		(one) => one.scope.mesh === scope.mesh && one.named.every(([host, view]) => scope.services.get(host) === view),
	);
	const { mesh, port, tls, verifiesTokens = false } = scope;
	const same = known.find(
		(one) => one.scope.port === port && one.scope.tls === tls && one.scope.verifiesTokens === verifiesTokens,
	);
	if (same) return same.routes;
	const named = [...namedHosts(rule)].map((host) => [host, scope.services.get(host)] as const);
	const routes = httpRoutes(rule, scope);
	remembered.set(rule, [...known, { scope: { mesh, port, tls, verifiesTokens }, named, routes }]);
	return routes;
}

function namedHosts(rule: RoutingRule): ReadonlySet<string> {
	const hosts = new Set<string>();
	for (const route of rule.http) {
		for (const { destination } of route.route ?? []) hosts.add(destination.host);
		for (const { destination } of route.mirrors ?? []) hosts.add(destination.host);
		if (route.mirror) hosts.add(route.mirror.host);
	}
	return hosts;
}

// A service's port, and the rule for its host -> a route table for gRPC libraries (gRFC A28): what such a library cannot do
// is taken out of the routes that Envoys get; a route whose condition it cannot check is left out whole.

import { clone, create, fromBinary } from "@bufbuild/protobuf";
import type { ServicePort } from "../../model/service.ts";
import type { OutboundView, ServiceView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { encodeResource } from "../encode-resource.ts";
import {
	RetryPolicySchema,
	type Route,
	type RouteAction,
	RouteAction_MaxStreamDurationSchema,
	RouteActionSchema,
	RouteSchema,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { RouteConfigurationSchema } from "../gen/envoy/config/route/v3/route_pb.ts";
import { outboundClusterName } from "../names.ts";
import { defaultRoute } from "../route/default-route.ts";
import { faultFilter, rememberedHttpRoutes } from "../route/http-routes.ts";
import { servicesByHost } from "../route/route-scope.ts";
import { RuleIndex } from "../route/rule-index.ts";
import { edsClusters } from "./proxyless-clusters.ts";

/** `outbound|7070||greeter.default.svc.cluster.local`, the name that Istio gives it. */
export function proxylessRouteName(view: ServiceView, port: ServicePort): string {
	return outboundClusterName(port.number, "", view.service.hostname);
}

export function generateProxylessRoutes(view: OutboundView): readonly EncodedResource[] {
	const services = servicesByHost(view.services);
	const rules = new RuleIndex(view.rules);
	return view.services.flatMap((service) => {
		const rule = rules.ruleFor(service.service.hostname);
		return proxylessPorts(service).map((port) => {
			const scope = { mesh: view.mesh, port: port.number, tls: false, services };
			const ruled = rule === undefined ? [] : rememberedHttpRoutes(rule, scope).map(({ bytes }) => bytes);
			const routes = ruled.length > 0 ? ruled : [defaultRoute(service, port.number, view.mesh)];
			const name = proxylessRouteName(service, port);
			return encodeResource(RouteConfigurationSchema, name, {
				name,
				virtualHosts: [
					{
						name: `${service.service.hostname}:${port.number}`,
						domains: ["*"],
						routes: routes.flatMap((bytes) => understood(fromBinary(RouteSchema, bytes)) ?? []),
					},
				],
			});
		});
	});
}

/** Ports with endpoints that can be asked for. */
export function proxylessPorts(view: ServiceView): readonly ServicePort[] {
	return edsClusters(view)
		.filter((cluster) => cluster.subset === undefined)
		.map((cluster) => cluster.port);
}

function understood(route: Route): Route | undefined {
	const { match, action } = route;
	if (!match || match.queryParameters.length > 0 || action.case !== "route") return undefined;
	const { pathSpecifier } = match;
	if (pathSpecifier.case !== "prefix" && pathSpecifier.case !== "path" && pathSpecifier.case !== "safeRegex") {
		return undefined;
	}
	const fault = route.typedPerFilterConfig[faultFilter];
	return create(RouteSchema, {
		name: route.name,
		match,
		action: { case: "route", value: understoodAction(action.value) },
		...(fault && { typedPerFilterConfig: { [faultFilter]: fault } }),
	});
}

/** Envoy's words for when to retry -> the ones that gRPC has (gRFC A44). */
const grpcRetryOn: ReadonlySet<string> = new Set([
	"cancelled",
	"deadline-exceeded",
	"internal",
	"resource-exhausted",
	"unavailable",
]);

function understoodAction(action: RouteAction): RouteAction {
	const result = clone(RouteActionSchema, action);
	result.requestMirrorPolicies = [];
	const { retryPolicy } = result;
	const retryOn = (retryPolicy?.retryOn ?? "")
		.split(",")
		.filter((condition) => grpcRetryOn.has(condition))
		.join(",");
	const numRetries = retryPolicy?.numRetries ?? 1;
	result.retryPolicy =
		retryPolicy && retryOn !== "" && numRetries > 0
			? create(RetryPolicySchema, { retryOn, numRetries, retryBackOff: retryPolicy.retryBackOff })
			: undefined;
	const { timeout } = result;
	// gRPC reads max_stream_duration; `timeout` means nothing to it.
	if (timeout && (timeout.seconds > 0n || timeout.nanos > 0)) {
		result.maxStreamDuration = create(RouteAction_MaxStreamDurationSchema, { maxStreamDuration: timeout });
	}
	return result;
}

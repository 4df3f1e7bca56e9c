// The destinations of an HTTPRoute, with timeout, retries, rewrite and mirrors -> RouteAction.

import type { ServiceView } from "../../model/view.ts";
import type { HttpRoute, HttpRouteDestination } from "../../resources/kinds/networking.ts";
import { durationFromText } from "../duration.ts";
import { durationFromMs } from "../encode-resource.ts";
import type {
	RouteAction_RequestMirrorPolicySchema,
	RouteActionSchema,
	WeightedCluster_ClusterWeightSchema,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { fractionOfPercent, wholePercent } from "./fault.ts";
import { hashOfDestination, hashPolicy } from "./hash-policy.ts";
import { authorityOf, headerChanges } from "./header-operations.ts";
import { meshHttpConfig } from "./mesh-http.ts";
import { retryPolicy } from "./retry-policy.ts";
import { destinationCluster, type RouteScope } from "./route-scope.ts";

export type RouteActionFields = MessageFields<typeof RouteActionSchema>;

export const noTimeout = durationFromMs(0);

/** Undefined when no destination has any weight. */
export function forwardAction(route: HttpRoute, scope: RouteScope): RouteActionFields | undefined {
	const destinations = route.route ?? [];
	const sole = destinations.length === 1 ? destinations[0] : undefined;
	// Weight 0 next to others means no traffic; a sole destination gets all, whatever its weight.
	const used = sole ? [sole] : destinations.filter(({ weight }) => (weight ?? 0) > 0);
	if (used.length === 0) return undefined;
	const hashes = used.flatMap(({ destination }) => {
		const { service, port } = destinationCluster(destination, scope);
		return hashPolicy(hashOfDestination(service, destination, port)) ?? [];
	});
	const grpc = used.some(({ destination }) => {
		const { service, port } = destinationCluster(destination, scope);
		return service !== undefined && speaksGrpc(service, port);
	});
	const authority =
		route.rewrite?.authority || authorityOf(route.headers) || (sole ? authorityOf(sole.headers) : undefined);
	const timeout = durationFromText(route.timeout) ?? noTimeout;
	return {
		clusterSpecifier: sole
			? { case: "cluster", value: destinationCluster(sole.destination, scope).name }
			: { case: "weightedClusters", value: { clusters: used.map((one) => clusterWeight(one, scope)) } },
		timeout,
		...(grpc && { maxGrpcTimeout: timeout }),
		retryPolicy: retryPolicy(route.retries, scope.mesh.retries, sole !== undefined && hashes.length > 0),
		hashPolicy: hashes,
		requestMirrorPolicies: mirrors(route, scope),
		...rewriteFields(route),
		...(authority && { hostRewriteSpecifier: { case: "hostRewriteLiteral", value: authority } as const }),
	};
}

/**
 * gRPC clients send their deadline along (`grpc-timeout`); on ports that say gRPC the proxy keeps it as well, up to the
 * route's timeout. Envoy's newer field for this, max_stream_duration, would turn the route's own timeout off.
 */
export function speaksGrpc(view: ServiceView, port: number): boolean {
	const protocol = view.service.ports.find(({ number }) => number === port)?.protocol;
	return protocol === "GRPC" || protocol === "GRPC-WEB";
}

function clusterWeight(
	{ destination, weight, headers }: HttpRouteDestination,
	scope: RouteScope,
): MessageFields<typeof WeightedCluster_ClusterWeightSchema> {
	const authority = authorityOf(headers);
	const { name, service, port } = destinationCluster(destination, scope);
	return {
		name,
		weight: weight ?? 0,
		typedPerFilterConfig: meshHttpConfig(service, port, destination.subset ?? ""),
		...headerChanges(headers),
		...(authority && { hostRewriteSpecifier: { case: "hostRewriteLiteral", value: authority } as const }),
	};
}

/** With a prefix match the prefix is replaced and the rest stays; with an exact match the whole path is replaced. */
function rewriteFields({ rewrite }: HttpRoute): Pick<RouteActionFields, "prefixRewrite" | "regexRewrite"> {
	const regex = rewrite?.uriRegexRewrite;
	if (regex?.match) {
		return { regexRewrite: { pattern: { regex: regex.match }, substitution: regex.rewrite ?? "" } };
	}
	return rewrite?.uri ? { prefixRewrite: rewrite.uri } : {};
}

function mirrors(route: HttpRoute, scope: RouteScope): MessageFields<typeof RouteAction_RequestMirrorPolicySchema>[] {
	const single = route.mirror && {
		destination: route.mirror,
		percentage: route.mirrorPercentage,
		percent: route.mirrorPercent,
	};
	const all: readonly NonNullable<typeof single>[] = [
		...(single ? [single] : []),
		...(route.mirrors ?? []).map((one) => ({ ...one, percentage: one.percentage, percent: undefined })),
	];
	return all.flatMap(({ destination, percentage, percent }) => {
		const fraction = percentage ? fractionOfPercent(percentage) : wholePercent(percent ?? 100);
		if (!fraction.numerator) return [];
		return {
			cluster: destinationCluster(destination, scope).name,
			runtimeFraction: { defaultValue: fraction },
			traceSampled: false,
		};
	});
}

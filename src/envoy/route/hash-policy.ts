// DestinationRule consistentHash -> what a route hashes to stick to an endpoint.

import type { ServiceView } from "../../model/view.ts";
import type { Destination, LoadBalancer, TrafficPolicy } from "../../resources/kinds/networking.ts";
import { durationFromText } from "../duration.ts";
import type { RouteAction_HashPolicySchema } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import type { MessageFields } from "../message-fields.ts";

type ConsistentHash = LoadBalancer["consistentHash"];

export function hashPolicy(hash: ConsistentHash): MessageFields<typeof RouteAction_HashPolicySchema> | undefined {
	if (hash?.httpHeaderName) {
		return { policySpecifier: { case: "header", value: { headerName: hash.httpHeaderName } } };
	}
	if (hash?.httpCookie) {
		const { name, path, ttl, attributes } = hash.httpCookie;
		return {
			policySpecifier: {
				case: "cookie",
				value: {
					name: name ?? "",
					path: path ?? "",
					ttl: durationFromText(ttl),
					attributes: attributes?.map((one) => ({ name: one.name ?? "", value: one.value ?? "" })),
				},
			},
		};
	}
	if (hash?.useSourceIp) return { policySpecifier: { case: "connectionProperties", value: { sourceIp: true } } };
	if (hash?.httpQueryParameterName) {
		return { policySpecifier: { case: "queryParameter", value: { name: hash.httpQueryParameterName } } };
	}
	return undefined;
}

/** The hash in force for one port of a service as a whole. */
export function hashOfPort(view: ServiceView, port: number): ConsistentHash {
	const policy = view.destination?.trafficPolicy;
	return hashForPort(policy, port) ?? policy?.loadBalancer?.consistentHash;
}

/** The hash in force for a destination of a rule: its subset's port, its subset, its port, then the service. */
export function hashOfDestination(
	view: ServiceView | undefined,
	destination: Destination,
	port: number,
): ConsistentHash {
	if (view === undefined) return undefined;
	const subset = view.destination?.subsets.find(({ name }) => name === destination.subset);
	return (
		hashForPort(subset?.trafficPolicy, port) ??
		subset?.trafficPolicy?.loadBalancer?.consistentHash ??
		hashOfPort(view, port)
	);
}

function hashForPort(policy: TrafficPolicy | undefined, port: number): ConsistentHash {
	return policy?.portLevelSettings?.find((setting) => setting.port?.number === port)?.loadBalancer?.consistentHash;
}

// One encoded resource -> what it names: clusters, route tables, load assignments, secrets. Field numbers are those of
// Envoy's v3 messages; the test compares them with the generated types.

import { type EncodedResource, type TypeUrl, typeUrls } from "../xds/resource.ts";
import { fieldsAt, textsAt } from "./wire-walk.ts";

export interface Reference {
	readonly typeUrl: TypeUrl;
	readonly name: string;
}

export function referencesOf(typeUrl: TypeUrl, resource: EncodedResource): readonly Reference[] {
	const message = fieldsAt(resource.any, [2])[0];
	if (!message) return [];
	switch (typeUrl) {
		case typeUrls.listener:
			return ofListener(message);
		case typeUrls.route:
			return ofRoutes(message);
		case typeUrls.cluster:
			return ofCluster(message, resource.name);
		default:
			return [];
	}
}

const asClusters = (names: readonly string[]): Reference[] =>
	[...new Set(names)].map((name) => ({ typeUrl: typeUrls.cluster, name }));
const asSecrets = (names: readonly string[]): Reference[] =>
	[...new Set(names)].map((name) => ({ typeUrl: typeUrls.secret, name }));

/** RouteConfiguration.virtual_hosts.routes.route */
const routeAction = [2, 3, 2];

function ofRoutes(message: Uint8Array): Reference[] {
	const actions = fieldsAt(message, routeAction);
	return asClusters(
		actions.flatMap((action) => [
			...textsAt(action, [1]),
			// weighted_clusters.clusters.name
			...textsAt(action, [3, 1, 1]),
			// request_mirror_policies.cluster
			...textsAt(action, [30, 1]),
		]),
	);
}

function ofListener(message: Uint8Array): Reference[] {
	// filter_chains, default_filter_chain
	const chains = [...fieldsAt(message, [3]), ...fieldsAt(message, [25])];
	const found: Reference[] = [];
	for (const chain of chains) {
		// filters.typed_config, transport_socket.typed_config
		for (const any of fieldsAt(chain, [3, 4])) found.push(...ofFilter(any));
		for (const any of fieldsAt(chain, [6, 3])) found.push(...ofTlsContext(any));
	}
	// api_listener.api_listener
	for (const any of fieldsAt(message, [19, 1])) found.push(...ofFilter(any));
	return found;
}

function ofFilter(any: Uint8Array): Reference[] {
	const [type = ""] = textsAt(any, [1]);
	const [config] = fieldsAt(any, [2]);
	if (!config) return [];
	if (type.endsWith(".TcpProxy")) return asClusters([...textsAt(config, [2]), ...textsAt(config, [10, 1, 1])]);
	// grpc_service.envoy_grpc.cluster_name
	if (type.endsWith(".network.ext_authz.v3.ExtAuthz")) return asClusters(textsAt(config, [2, 1, 1]));
	if (!type.endsWith(".HttpConnectionManager")) return [];
	const tables = textsAt(config, [3, 2]).map((name) => ({ typeUrl: typeUrls.route, name }));
	// http_filters.typed_config
	const filters = fieldsAt(config, [5, 4]).flatMap(ofHttpFilter);
	return [...tables, ...filters, ...fieldsAt(config, [4]).flatMap(ofRoutes)];
}

function ofHttpFilter(any: Uint8Array): Reference[] {
	const [type = ""] = textsAt(any, [1]);
	const [config] = fieldsAt(any, [2]);
	if (!config || !type.endsWith(".http.ext_authz.v3.ExtAuthz")) return [];
	// grpc_service.envoy_grpc.cluster_name, http_service.server_uri.cluster
	return asClusters([...textsAt(config, [1, 1, 1]), ...textsAt(config, [3, 1, 2])]);
}

function ofTlsContext(any: Uint8Array): Reference[] {
	const [type = ""] = textsAt(any, [1]);
	const [config] = fieldsAt(any, [2]);
	if (!config || !/\.(?:Down|Up)streamTlsContext$/.test(type)) return [];
	return asSecrets([
		// common_tls_context: tls_certificate_sds_secret_configs, validation_context_sds_secret_config, and inside the
		// combined_validation_context
		...textsAt(config, [1, 6, 1]),
		...textsAt(config, [1, 7, 1]),
		...textsAt(config, [1, 8, 2, 1]),
	]);
}

/** Cluster.DiscoveryType EDS, in the varint field `type`, which the walk does not visit: known by its eds_cluster_config. */
function ofCluster(message: Uint8Array, name: string): Reference[] {
	const found: Reference[] = [];
	const [eds] = fieldsAt(message, [3]);
	if (eds) {
		const [serviceName] = textsAt(eds, [2]);
		found.push({ typeUrl: typeUrls.endpoints, name: serviceName || name });
	}
	// transport_socket.typed_config, transport_socket_matches.transport_socket.typed_config
	const sockets = [...fieldsAt(message, [24, 3]), ...fieldsAt(message, [43, 3, 3])];
	return [...found, ...sockets.flatMap(ofTlsContext)];
}

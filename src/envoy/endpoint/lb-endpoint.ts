// Endpoint -> the bytes of an LbEndpoint, made once for each Endpoint object.
// Fields: envoy.config.endpoint.v3.LbEndpoint {endpoint 1, health_status 2, metadata 3, load_balancing_weight 4}.

import type { Endpoint } from "../../model/endpoint.ts";
import { HealthStatus } from "../gen/envoy/config/core/v3/health_check_pb.ts";
import { bytesOf, lengthField, stringField, varintField } from "../wire-text.ts";

const remembered = new WeakMap<Endpoint, Uint8Array>();

export function lbEndpointBytes(endpoint: Endpoint): Uint8Array {
	let bytes = remembered.get(endpoint);
	if (bytes === undefined) {
		bytes = bytesOf(lbEndpointText(endpoint));
		remembered.set(endpoint, bytes);
	}
	return bytes;
}

const healthStatuses = {
	healthy: HealthStatus.HEALTHY,
	unhealthy: HealthStatus.UNHEALTHY,
	draining: HealthStatus.DRAINING,
} as const;

function lbEndpointText(endpoint: Endpoint): string {
	return (
		lengthField(1, lengthField(1, addressText(endpoint))) +
		varintField(2, healthStatuses[endpoint.health]) +
		lengthField(3, metadataText(endpoint)) +
		lengthField(4, varintField(1, endpoint.weight))
	);
}

function addressText({ address, port }: Endpoint): string {
	if (address.startsWith("unix://")) return lengthField(2, stringField(1, address.slice("unix://".length)));
	return lengthField(1, stringField(2, address) + varintField(3, port));
}

/** `istio.workload` for telemetry, and what the cluster's transport_socket_matches look at. */
function metadataText(endpoint: Endpoint): string {
	const tls = endpoint.tlsMode === "istio" ? filterMetadata("envoy.transport_socket_match", "tlsMode", "istio") : "";
	return tls + filterMetadata("istio", "workload", workloadOf(endpoint));
}

/** One entry of Metadata.filter_metadata: a Struct with one text field. */
function filterMetadata(filter: string, key: string, value: string): string {
	const structField = lengthField(1, stringField(1, key) + lengthField(2, stringField(3, value)));
	return lengthField(1, stringField(1, filter) + lengthField(2, structField));
}

/** `name;namespace;canonical name;canonical revision;cluster`, Istio's form. */
function workloadOf({ workload, namespace, labels, clusterId }: Endpoint): string {
	const name = labels["service.istio.io/canonical-name"] ?? labels["app.kubernetes.io/name"] ?? labels.app ?? workload;
	const revision =
		labels["service.istio.io/canonical-revision"] ?? labels["app.kubernetes.io/version"] ?? labels.version ?? "latest";
	return `${workload};${namespace};${name};${revision};${clusterId}`;
}

// The application's probes -> what the proxy's own listener on 15020 needs to answer them without any agent: a route to the
// application for each HTTP probe; for TCP and gRPC probes, which HTTP cannot carry, a cluster that Envoy itself probes, and a
// filter that answers 200 or 503 by what it found. Everything is part of the start configuration.

import type { AppProbe, AppProbes } from "../../inject/app-probe.ts";

export interface AppProbeParts {
	readonly clusters: readonly object[];
	/** Before the router. */
	readonly filters: readonly object[];
	readonly routes: readonly object[];
}

export interface AppProbeOptions {
	/** The pod's own first address: where Kubernetes would have asked. */
	readonly address: string;
}

/** From here the application is reached without being caught by the pod's redirect again (render-redirect.ts). */
const loopbackSource = (address: string): string => (address.includes(":") ? "::6" : "127.0.0.6");

export function appProbes(probers: AppProbes, { address }: AppProbeOptions): AppProbeParts {
	const parts = [...probers].map(([path, probe]) => partsOf(path, probe, address));
	return {
		clusters: parts.map(({ cluster }) => cluster),
		filters: parts.flatMap(({ filter }) => filter ?? []),
		routes: parts.flatMap(({ route }) => route ?? []),
	};
}

interface ProbeParts {
	readonly cluster: object;
	readonly filter?: object;
	readonly route?: object;
}

function partsOf(path: string, probe: AppProbe, address: string): ProbeParts {
	const name = `app-probe${path.replaceAll("/", "|")}`;
	switch (probe.kind) {
		case "http": {
			const host = probe.host ?? authorityOf(address, probe.port);
			const cluster = { ...clusterOf(name, probe, address), ...(probe.tls ? { transport_socket: anyServer } : {}) };
			return {
				cluster,
				route: {
					match: { path },
					route: {
						cluster: name,
						...pathOf(probe.path),
						host_rewrite_literal: host,
						timeout: seconds(probe.timeoutMs),
					},
					// A redirect is a success. Its target is the application's, which whoever asks here would look for on this port.
					response_headers_to_remove: ["location"],
				},
			};
		}
		case "tcp":
			return { cluster: checked(name, probe, address, { tcp_health_check: {} }), filter: answerOf(path, name) };
		case "grpc": {
			const named = probe.service === "" ? {} : { service_name: probe.service };
			const grpc = { grpc_health_check: { ...named, authority: authorityOf(address, probe.port) } };
			const cluster = { ...checked(name, probe, address, grpc), ...http2 };
			return { cluster, filter: answerOf(path, name) };
		}
		default:
			return probe satisfies never;
	}
}

function authorityOf(address: string, port: number): string {
	return `${address.includes(":") ? `[${address}]` : address}:${port}`;
}

/** The probe's path may have a query; Envoy's match is for the path alone, so all of it is replaced. */
function pathOf(path: string): object {
	return { regex_rewrite: { pattern: { regex: "^.*$" }, substitution: path.replaceAll("\\", "\\\\") } };
}

function clusterOf(name: string, probe: AppProbe, address: string): object {
	return {
		name,
		type: "STATIC",
		connect_timeout: seconds(probe.timeoutMs),
		upstream_bind_config: { source_address: { address: loopbackSource(address), port_value: 0 } },
		// Each probe is a connection of its own, as Kubernetes' are: one that is kept would not find a listener that is gone.
		typed_extension_protocol_options: {
			"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
				"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
				common_http_protocol_options: { max_requests_per_connection: 1 },
				explicit_http_config: { http_protocol_options: {} },
			},
		},
		load_assignment: {
			cluster_name: name,
			endpoints: [
				{ lb_endpoints: [{ endpoint: { address: { socket_address: { address, port_value: probe.port } } } }] },
			],
		},
	};
}

/**
 * Twice in Kubernetes' period while it is well, each second while it is not, so that what Kubernetes hears is seldom old, and a
 * start is seen at once.
 */
function checked(name: string, probe: AppProbe, address: string, check: object): object {
	const well = seconds(Math.max(1000, probe.periodMs / 2));
	return {
		...clusterOf(name, probe, address),
		health_checks: [
			{
				...check,
				timeout: seconds(probe.timeoutMs),
				interval: well,
				no_traffic_interval: well,
				no_traffic_healthy_interval: well,
				unhealthy_interval: "1s",
				unhealthy_edge_interval: "1s",
				healthy_edge_interval: well,
				unhealthy_threshold: 1,
				healthy_threshold: 1,
				reuse_connection: false,
			},
		],
	};
}

function answerOf(path: string, cluster: string): object {
	return {
		name: "envoy.filters.http.health_check",
		typed_config: {
			"@type": "type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck",
			pass_through_mode: false,
			cluster_min_healthy_percentages: { [cluster]: { value: 100 } },
			headers: [{ name: ":path", string_match: { exact: path } }],
		},
	};
}

/** Kubernetes asks whether the server answers, not who it is. */
const anyServer = {
	name: "envoy.transport_sockets.tls",
	typed_config: {
		"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
		common_tls_context: {
			tls_params: { tls_minimum_protocol_version: "TLSv1_2", tls_maximum_protocol_version: "TLSv1_3" },
		},
	},
};

const http2 = {
	typed_extension_protocol_options: {
		"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
			"@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
			explicit_http_config: { http2_protocol_options: {} },
		},
	},
};

function seconds(ms: number): string {
	return `${ms / 1000}s`;
}

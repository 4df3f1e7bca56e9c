// Where the routes come from, and which side of the mesh -> the HTTP connection manager, with Istio's settings.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import { adsSource, zeroDuration } from "../ads-source.ts";
import { packAny } from "../encode-resource.ts";
import { type Filter, FilterSchema } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { RouteConfigurationSchema } from "../gen/envoy/config/route/v3/route_pb.ts";
import { CorsSchema } from "../gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
import { HTTPFaultSchema } from "../gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
import { RouterSchema } from "../gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import {
	HttpConnectionManager_ForwardClientCertDetails as ForwardClientCert,
	type HttpConnectionManager_UpgradeConfig,
	HttpConnectionManager_UpgradeConfigSchema,
	HttpConnectionManagerSchema,
	type HttpFilter,
	HttpFilterSchema,
	type LocalReplyConfigSchema,
	HttpConnectionManager_ServerHeaderTransformation as ServerHeader,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { corsFilter, faultFilter } from "../route/http-routes.ts";
import { meshHttpFilter } from "../route/mesh-http.ts";
import { accessLogs } from "./access-log.ts";
import { pathNormalization } from "./path-normalization.ts";

/** `outbound` and `inbound` of a sidecar; `gateway`: the edge, which trusts no header that a client sends. */
export type HttpDirection = "outbound" | "inbound" | "gateway";

export interface HttpConnectionManagerOptions {
	readonly direction: HttpDirection;
	readonly statPrefix: string;
	/** The name of a route table that comes by RDS, or the table itself. */
	readonly routes: string | MessageInitShape<typeof RouteConfigurationSchema>;
	/** The connection is TLS with a client certificate: tell the application whose (x-forwarded-client-cert). */
	readonly clientCertificate?: boolean;
	/** In front of all other filters. */
	readonly securityFilters?: readonly HttpFilter[];
	readonly localReply?: MessageInitShape<typeof LocalReplyConfigSchema>;
}

function httpFilter(name: string, config: ReturnType<typeof packAny>, disabled = false): HttpFilter {
	return create(HttpFilterSchema, { name, configType: { case: "typedConfig", value: config }, disabled });
}

const router = httpFilter("envoy.filters.http.router", packAny(RouterSchema, {}));
/**
 * Disabled here, and enabled by the configuration of a route that has any: requests of all others pass without them, which
 * saves 3 % of a hop's CPU. Present, so that a rule that needs one does not change the listener and drain its connections.
 */
const perRouteFilters: readonly HttpFilter[] = [
	httpFilter(faultFilter, packAny(HTTPFaultSchema, {}), true),
	httpFilter(corsFilter, packAny(CorsSchema, {}), true),
	meshHttpFilter,
];

const webSocket: HttpConnectionManager_UpgradeConfig = create(HttpConnectionManager_UpgradeConfigSchema, {
	upgradeType: "websocket",
});

export function httpConnectionManager(mesh: MeshSettings, options: HttpConnectionManagerOptions): Filter {
	const { direction, routes } = options;
	const edge = direction === "gateway";
	return create(FilterSchema, {
		name: "envoy.filters.network.http_connection_manager",
		configType: {
			case: "typedConfig",
			value: packAny(HttpConnectionManagerSchema, {
				statPrefix: options.statPrefix,
				routeSpecifier:
					typeof routes === "string"
						? { case: "rds", value: { configSource: adsSource, routeConfigName: routes } }
						: { case: "routeConfig", value: routes },
				// No route of an inbound table configures fault or cors, so inbound does not pay for them.
				httpFilters: [...(options.securityFilters ?? []), ...(direction === "inbound" ? [] : perRouteFilters), router],
				accessLog: accessLogs(mesh),
				useRemoteAddress: edge,
				serverName: "istio-envoy",
				serverHeaderTransformation: edge ? ServerHeader.OVERWRITE : ServerHeader.PASS_THROUGH,
				forwardClientCertDetails: forwardClientCert(options),
				...(options.clientCertificate === true && {
					setCurrentClientCertDetails: { subject: true, dns: true, uri: true },
				}),
				...(options.localReply && { localReplyConfig: options.localReply }),
				upgradeConfigs: [webSocket],
				...pathNormalization(mesh.pathNormalization),
				streamIdleTimeout: zeroDuration,
				httpProtocolOptions: { acceptHttp10: true },
			}),
		},
	});
}

function forwardClientCert(options: HttpConnectionManagerOptions): ForwardClientCert {
	if (options.clientCertificate !== true) return ForwardClientCert.SANITIZE;
	return options.direction === "gateway" ? ForwardClientCert.SANITIZE_SET : ForwardClientCert.APPEND_FORWARD;
}

// An extension provider of the mesh -> what is wrong with it, or the configuration of Envoy's ext_authz filters for it.
// Istio's envoyExtAuthzHttp and envoyExtAuthzGrpc.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type { AuthorizationProvider } from "../../model/security.ts";
import { durationFromMs } from "../encode-resource.ts";
import { ApiVersion } from "../gen/envoy/config/core/v3/config_source_pb.ts";
import { type GrpcService, GrpcServiceSchema } from "../gen/envoy/config/core/v3/grpc_service_pb.ts";
import {
	type AuthorizationRequestSchema,
	type AuthorizationResponseSchema,
	type ExtAuthz,
	ExtAuthzSchema,
	type HttpService,
	HttpServiceSchema,
} from "../gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts";
import {
	type ListStringMatcher,
	ListStringMatcherSchema,
	type StringMatcher,
} from "../gen/envoy/type/matcher/v3/string_pb.ts";
import { type StatusCode, StatusCodeSchema } from "../gen/envoy/type/v3/http_status_pb.ts";
import { outboundClusterName } from "../names.ts";
import { textPattern } from "./text-pattern.ts";

const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Undefined for one that works. Envoy would refuse the whole listener for most of these. */
export function providerFault(provider: AuthorizationProvider): string | undefined {
	if (provider.host === "" || provider.host.includes("*")) return "its service has no single host name";
	if (!(provider.port >= 1 && provider.port <= 65535)) return `port ${provider.port} is not in 1 to 65535`;
	if (!StatusCodeSchema.values.some(({ number }) => number !== 0 && number === provider.statusOnError)) {
		return `statusOnError ${provider.statusOnError} is no status that Envoy knows`;
	}
	if (provider.pathPrefix !== "" && !/^\/[^\s#?]*$/.test(provider.pathPrefix)) {
		return "pathPrefix does not begin with a slash, or is no path";
	}
	if (headerLists(provider).flat().includes("*")) return 'a header list has "*", which is not possible';
	if ((provider.includeRequestBodyInCheck?.maxRequestBytes ?? 1) < 1) return "maxRequestBytes is not above 0";
	for (const [name, value] of Object.entries(provider.includeAdditionalHeadersInCheck)) {
		if (!headerName.test(name) || /[\0\r\n]/.test(value)) return `"${name}" is no header that can be added`;
	}
	return undefined;
}

function headerLists(provider: AuthorizationProvider): readonly (readonly string[])[] {
	return [
		provider.includeRequestHeadersInCheck,
		provider.headersToUpstreamOnAllow,
		provider.headersToDownstreamOnDeny,
		provider.headersToDownstreamOnAllow,
	];
}

export function providerCluster(provider: AuthorizationProvider): string {
	return outboundClusterName(provider.port, "", provider.host);
}

/** Without the condition when it applies. */
export function httpAuthorization(provider: AuthorizationProvider): ExtAuthz {
	const body = provider.includeRequestBodyInCheck;
	const headers = headerPatterns(provider.includeRequestHeadersInCheck);
	return create(ExtAuthzSchema, {
		services:
			provider.protocol === "http"
				? { case: "httpService", value: httpService(provider) }
				: { case: "grpcService", value: grpcService(provider) },
		transportApiVersion: ApiVersion.V3,
		failureModeAllow: provider.failOpen,
		statusOnError: { code: provider.statusOnError as StatusCode },
		clearRouteCache: provider.clearRouteCache,
		...(body && { withRequestBody: body }),
		...(headers && { allowedHeaders: headers }),
	});
}

/** `|`, which is part of a cluster's name, may not be in an authority. */
export function grpcService(provider: AuthorizationProvider): GrpcService {
	const clusterName = providerCluster(provider);
	return create(GrpcServiceSchema, {
		targetSpecifier: { case: "envoyGrpc", value: { clusterName, authority: clusterName.replaceAll("|", "_.") } },
		timeout: durationFromMs(provider.timeoutMs),
	});
}

function httpService(provider: AuthorizationProvider): HttpService {
	const added = Object.entries(provider.includeAdditionalHeadersInCheck).sort(([a], [b]) => (a < b ? -1 : 1));
	const request: MessageInitShape<typeof AuthorizationRequestSchema> = {
		headersToAdd: added.map(([key, value]) => ({ key, value: headerFormat(value) })),
	};
	const toUpstream = headerPatterns(provider.headersToUpstreamOnAllow);
	const onDeny = headerPatterns(provider.headersToDownstreamOnDeny);
	const onAllow = headerPatterns(provider.headersToDownstreamOnAllow);
	const response: MessageInitShape<typeof AuthorizationResponseSchema> = {
		...(toUpstream && { allowedUpstreamHeaders: toUpstream }),
		...(onDeny && { allowedClientHeaders: onDeny }),
		...(onAllow && { allowedClientHeadersOnSuccess: onAllow }),
	};
	return create(HttpServiceSchema, {
		pathPrefix: provider.pathPrefix,
		serverUri: {
			uri: `http://${provider.host}`,
			httpUpstreamType: { case: "cluster", value: providerCluster(provider) },
			timeout: durationFromMs(provider.timeoutMs),
		},
		...(added.length > 0 && { authorizationRequest: request }),
		...((toUpstream || onDeny || onAllow) && { authorizationResponse: response }),
	});
}

function headerPatterns(names: readonly string[]): ListStringMatcher | undefined {
	if (names.length === 0) return undefined;
	return create(ListStringMatcherSchema, { patterns: names.map((name): StringMatcher => textPattern(name, true)) });
}

const formatPart =
	/%%|%(?:REQ\([^()%?\s]+(?:\?[^()%?\s]+)?\)(?::\d+)?|PROTOCOL|REQUESTED_SERVER_NAME|DOWNSTREAM_(?:REMOTE|LOCAL|DIRECT_REMOTE)_ADDRESS(?:_WITHOUT_PORT)?)%|%/g;

/** Envoy reads `%REQ(:path)%` and the like as formats, which users rely on. Any other `%` stands for itself. */
function headerFormat(value: string): string {
	return value.replace(formatPart, (part) => (part === "%" ? "%%" : part));
}

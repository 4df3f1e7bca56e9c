// Fields of Istio's meshConfig.extensionProviders: external authorisation, and the kinds that have no effect yet.

import { count, duration, flag, labels, openStruct, port, type StructShape, struct, text, texts } from "./shape.ts";

const extAuthzFields = {
	service: text,
	port,
	timeout: duration,
	failOpen: flag,
	clearRouteCache: flag,
	statusOnError: text,
	includeRequestBodyInCheck: struct({ maxRequestBytes: count, allowPartialMessage: flag, packAsBytes: flag }),
};

/** Providers of traces, logs and metrics: let through as they are. */
export const otherProviders = [
	"zipkin",
	"lightstep",
	"datadog",
	"stackdriver",
	"opencensus",
	"skywalking",
	"opentelemetry",
	"prometheus",
	"envoyFileAccessLog",
	"envoyHttpAls",
	"envoyTcpAls",
	"envoyOtelAls",
	"sds",
] as const;

export const extensionProviderShape: StructShape = struct(
	{
		name: text,
		envoyExtAuthzGrpc: struct(extAuthzFields, "service", "port"),
		envoyExtAuthzHttp: struct(
			{
				...extAuthzFields,
				pathPrefix: text,
				includeHeadersInCheck: texts,
				includeRequestHeadersInCheck: texts,
				includeAdditionalHeadersInCheck: labels,
				headersToUpstreamOnAllow: texts,
				headersToDownstreamOnDeny: texts,
				headersToDownstreamOnAllow: texts,
			},
			"service",
			"port",
		),
		...Object.fromEntries(otherProviders.map((name) => [name, openStruct({})])),
	},
	"name",
);

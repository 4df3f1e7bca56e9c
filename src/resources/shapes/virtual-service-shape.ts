// Fields of a VirtualService's spec, as in Istio's networking.istio.io/v1 schema.

import {
	bytes,
	choice,
	count,
	duration,
	flag,
	labels,
	list,
	map,
	number,
	percent,
	port,
	smallCount,
	struct,
	text,
	texts,
	whole,
} from "./shape.ts";
import { destinationShape, weight } from "./traffic-policy-shapes.ts";

const stringMatch = struct({ exact: text, prefix: text, regex: text });
const headerOperations = struct({ set: map(text), add: map(text), remove: texts });
const headers = struct({ request: headerOperations, response: headerOperations });
const share = struct({ value: number(0, 100) });

const httpMatch = struct({
	name: text,
	uri: stringMatch,
	scheme: stringMatch,
	method: stringMatch,
	authority: stringMatch,
	headers: map(stringMatch),
	withoutHeaders: map(stringMatch),
	queryParams: map(stringMatch),
	port,
	sourceLabels: labels,
	sourceNamespace: text,
	gateways: texts,
	ignoreUriCase: flag,
	statPrefix: text,
});

const httpRoute = struct({
	name: text,
	match: list(httpMatch),
	route: list(struct({ destination: destinationShape, weight, headers }, "destination")),
	redirect: struct({
		uri: text,
		authority: text,
		port,
		derivePort: choice("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"),
		scheme: text,
		redirectCode: count,
	}),
	directResponse: struct(
		{ status: whole(200, 599, "an HTTP status from 200 to 599"), body: struct({ string: text, bytes }) },
		"status",
	),
	delegate: struct({ name: text, namespace: text }),
	rewrite: struct({ uri: text, authority: text, uriRegexRewrite: struct({ match: text, rewrite: text }) }),
	timeout: duration,
	retries: struct({
		attempts: smallCount,
		perTryTimeout: duration,
		retryOn: text,
		retryRemoteLocalities: flag,
		retryIgnorePreviousHosts: flag,
		backoff: duration,
	}),
	fault: struct({
		delay: struct({ fixedDelay: duration, exponentialDelay: duration, percentage: share, percent }),
		abort: struct({
			httpStatus: whole(200, 599, "an HTTP status from 200 to 599"),
			grpcStatus: text,
			http2Error: text,
			percentage: share,
		}),
	}),
	mirror: destinationShape,
	mirrors: list(struct({ destination: destinationShape, percentage: share }, "destination")),
	mirrorPercent: percent,
	mirror_percent: percent,
	mirrorPercentage: share,
	corsPolicy: struct({
		allowOrigin: texts,
		allowOrigins: list(stringMatch),
		allowMethods: texts,
		allowHeaders: texts,
		exposeHeaders: texts,
		maxAge: duration,
		allowCredentials: flag,
		unmatchedPreflights: choice("UNSPECIFIED", "FORWARD", "IGNORE"),
	}),
	headers,
});

const routeDestinations = list(struct({ destination: destinationShape, weight }, "destination"));
const layer4MatchFields = {
	destinationSubnets: texts,
	port,
	sourceLabels: labels,
	sourceNamespace: text,
	gateways: texts,
};

export const virtualServiceShape = struct({
	hosts: texts,
	gateways: texts,
	http: list(httpRoute),
	tls: list(
		struct(
			{ match: list(struct({ ...layer4MatchFields, sniHosts: texts }, "sniHosts")), route: routeDestinations },
			"match",
		),
	),
	tcp: list(struct({ match: list(struct({ ...layer4MatchFields, sourceSubnet: text })), route: routeDestinations })),
	exportTo: texts,
});

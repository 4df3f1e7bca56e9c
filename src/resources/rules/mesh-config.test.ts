import { describeRules, type RuleCase } from "./rules.testing.ts";

const at = "spec.extensionProviders[0]";
const provider = (fields: string): string => `extensionProviders: [{name: p, ${fields}}]`;
const http = (fields: string): string =>
	provider(`envoyExtAuthzHttp: {service: a.b.svc.cluster.local, port: 80, ${fields}}`);
const grpc = (fields: string): string =>
	provider(`envoyExtAuthzGrpc: {service: a.b.svc.cluster.local, port: 80, ${fields}}`);

const cases: readonly RuleCase[] = [
	["other trust domains", "trustDomain: a\ntrustDomainAliases: [b, c.example]"],
	["a trust domain that is none", 'trustDomainAliases: ["b/c"]', "error spec.trustDomainAliases[0]: "],
	["how paths are made plain", "pathNormalization: {normalization: DECODE_AND_MERGE_SLASHES}"],
	[
		"an unknown way to make paths plain",
		"pathNormalization: {normalization: ALL}",
		"error spec.pathNormalization.normalization: ",
	],
	["a version of TLS", "meshMTLS: {minProtocolVersion: TLSV1_3}"],
	["an old version of TLS", "meshMTLS: {minProtocolVersion: TLSV1_1}", "error spec.meshMTLS.minProtocolVersion: "],
	["ciphers of the mesh", "meshMTLS: {cipherSuites: [a]}", "warning spec.meshMTLS.cipherSuites: "],
	[
		"a provider over HTTP",
		http(
			"timeout: 1s, pathPrefix: /check, failOpen: true, clearRouteCache: true, statusOnError: '503', " +
				"includeRequestHeadersInCheck: [x-a, 'x-b-*', '*-c', '*'], includeHeadersInCheck: [a], includeAdditionalHeadersInCheck: {x: '%REQ(:PATH)%'}, " +
				"includeRequestBodyInCheck: {maxRequestBytes: 4096, allowPartialMessage: true}, " +
				"headersToUpstreamOnAllow: [x], headersToDownstreamOnDeny: [y], headersToDownstreamOnAllow: [z]",
		),
	],
	["a provider over gRPC", grpc("timeout: 0.5s, includeRequestBodyInCheck: {maxRequestBytes: 1, packAsBytes: true}")],
	["a service of a namespace", provider("envoyExtAuthzGrpc: {service: b/a.example, port: 80}")],
	[
		"a provider without name",
		"extensionProviders: [{envoyExtAuthzGrpc: {service: a, port: 80}}]",
		`error ${at}.name: name is missing`,
	],
	["an empty name", "extensionProviders: [{name: '', prometheus: {}}]", `error ${at}.name: the name is empty`],
	[
		"two providers of one name",
		"extensionProviders: [{name: p, prometheus: {}}, {name: p, prometheus: {}}]",
		"error spec.extensionProviders[1].name: ",
	],
	["a provider of nothing", "extensionProviders: [{name: p}]", `error ${at}: does not say what it is`],
	[
		"a provider of two things",
		provider("envoyExtAuthzGrpc: {service: a, port: 80}, prometheus: {}"),
		`error ${at}: envoyExtAuthzGrpc and prometheus exclude`,
	],
	[
		"an unknown provider",
		provider("envoyExtAuthz: {}"),
		`error ${at}.envoyExtAuthz: there is no field envoyExtAuthz here`,
	],
	[
		"a provider without service",
		provider("envoyExtAuthzHttp: {port: 80}"),
		`error ${at}.envoyExtAuthzHttp.service: service is missing`,
	],
	[
		"a provider without port",
		provider("envoyExtAuthzGrpc: {service: a}"),
		`error ${at}.envoyExtAuthzGrpc.port: port is missing`,
	],
	[
		"a service of three parts",
		provider("envoyExtAuthzGrpc: {service: a/b/c, port: 80}"),
		`error ${at}.envoyExtAuthzGrpc.service: "a/b/c" is not a service`,
	],
	["a path over gRPC", grpc("pathPrefix: /a"), `error ${at}.envoyExtAuthzGrpc.pathPrefix: there is no field`],
	[
		"a path without /",
		http("pathPrefix: check"),
		`error ${at}.envoyExtAuthzHttp.pathPrefix: "check" is not the beginning`,
	],
	[
		"a status as a number",
		http("statusOnError: 503"),
		`error ${at}.envoyExtAuthzHttp.statusOnError: must be a text, found 503`,
	],
	[
		"a status that does not exist",
		http("statusOnError: '299'"),
		`error ${at}.envoyExtAuthzHttp.statusOnError: "299" is not`,
	],
	[
		"a header that is none",
		http("headersToUpstreamOnAllow: ['a b']"),
		`error ${at}.envoyExtAuthzHttp.headersToUpstreamOnAllow[0]: `,
	],
	[
		"a body of no size",
		http("includeRequestBodyInCheck: {}"),
		`error ${at}.envoyExtAuthzHttp.includeRequestBodyInCheck.maxRequestBytes: `,
	],
	...["zipkin", "opentelemetry", "prometheus", "envoyFileAccessLog", "stackdriver"].map(
		(type): RuleCase => [
			`${type}`,
			provider(`${type}: {anything: [1]}`),
			`warning ${at}.${type}: ${type} is accepted but has no effect yet`,
		],
	),
];

describeRules("MeshConfig", cases);

// Views that use every field of VirtualService and DestinationRule that generation knows, for tests with a real Envoy.

import {
	endpoint,
	endpointsOf,
	gatewayView,
	outboundView,
	port,
	rule,
	service,
	serviceView,
} from "../../src/envoy/views.testing.ts";
import { defaultMeshSettings } from "../../src/model/mesh-settings.ts";
import type { GatewayView, InboundView, OutboundView, ServiceView } from "../../src/model/view.ts";
import type { HttpRoute, TrafficPolicy } from "../../src/resources/kinds/networking.ts";

const host = "reviews.default.svc.cluster.local";

/** One service for each, so that no field hides another. */
const policies: Readonly<Record<string, TrafficPolicy>> = {
	random: { loadBalancer: { simple: "RANDOM" } },
	passthrough: { loadBalancer: { simple: "PASSTHROUGH" } },
	leastconn: { loadBalancer: { simple: "LEAST_CONN", warmupDurationSecs: "30s" } },
	roundrobin: {
		loadBalancer: { simple: "ROUND_ROBIN", warmup: { duration: "1m", minimumPercent: 10, aggression: 1.5 } },
	},
	ringhash: { loadBalancer: { consistentHash: { httpHeaderName: "x-user", ringHash: { minimumRingSize: 2048 } } } },
	oldringhash: { loadBalancer: { consistentHash: { useSourceIp: true, minimumRingSize: 512 } } },
	maglev: {
		loadBalancer: {
			consistentHash: {
				httpCookie: { name: "user", path: "/", ttl: "0s", attributes: [{ name: "SameSite", value: "Lax" }] },
				maglev: { tableSize: 65537 },
			},
		},
	},
	query: { loadBalancer: { consistentHash: { httpQueryParameterName: "id", maglev: {} } } },
	pool: {
		connectionPool: {
			tcp: {
				maxConnections: 10,
				connectTimeout: "30ms",
				tcpKeepalive: { probes: 3, time: "7200s", interval: "75s" },
				maxConnectionDuration: "1h",
				idleTimeout: "5m",
			},
			http: {
				http1MaxPendingRequests: 5,
				http2MaxRequests: 6,
				maxRequestsPerConnection: 7,
				maxRetries: 8,
				idleTimeout: "9s",
				h2UpgradePolicy: "UPGRADE",
				maxConcurrentStreams: 100,
			},
		},
		retryBudget: { percent: 25, minRetryConcurrency: 4 },
	},
	clientprotocol: { connectionPool: { http: { useClientProtocol: true } } },
	outlier: {
		outlierDetection: {
			consecutive5xxErrors: 3,
			consecutiveGatewayErrors: 0,
			splitExternalLocalOriginErrors: true,
			consecutiveLocalOriginFailures: 4,
			interval: "1s",
			baseEjectionTime: "3m",
			maxEjectionPercent: 100,
			minHealthPercent: 40,
		},
		loadBalancer: {
			localityLbSetting: { failover: [{ from: "eu", to: "us" }], failoverPriority: ["topology.kubernetes.io/region"] },
		},
	},
	distribute: {
		loadBalancer: { localityLbSetting: { distribute: [{ from: "eu/*", to: { "eu/*": 80, "us/*": 20 } }] } },
	},
	simpletls: { tls: { mode: "SIMPLE" } },
	unverifiedtls: { tls: { mode: "SIMPLE", sni: "example.com", insecureSkipVerify: true } },
	mutualtls: {
		tls: {
			mode: "MUTUAL",
			clientCertificate: "/etc/certs/cert.pem",
			privateKey: "/etc/certs/key.pem",
			caCertificates: "/etc/certs/ca.pem",
			subjectAltNames: ["example.com", "spiffe://cluster.local/ns/default/sa/x", "10.0.0.1"],
			sni: "example.com",
		},
	},
	credential: { tls: { mode: "MUTUAL", credentialName: "client-credential" } },
	meshtls: { tls: { mode: "ISTIO_MUTUAL" } },
	proxyprotocol: { proxyProtocol: { version: "V2" } },
	proxyprotocoltls: { proxyProtocol: { version: "V1" }, tls: { mode: "SIMPLE", caCertificates: "/etc/certs/ca.pem" } },
};

const protocols = [
	"HTTP",
	"HTTP2",
	"GRPC",
	"GRPC-WEB",
	"HTTPS",
	"TLS",
	"TCP",
	"MONGO",
	"MYSQL",
	"REDIS",
	"UDP",
	"AUTO",
] as const;

const external = serviceView("external.example.com", {
	registry: "serviceEntry",
	discovery: "dns",
	meshExternal: true,
	addresses: ["240.240.0.1", "fd00::1"],
	allocated: true,
	ports: [port(80), port(443, "TLS")],
	subjectAltNames: ["external.example.com"],
});

const services: readonly ServiceView[] = [
	...Object.entries(policies).map(([name, trafficPolicy]) => serviceView(name, { addresses: [] }, { trafficPolicy })),
	serviceView("protocols", { ports: protocols.map((protocol, index) => port(7000 + index, protocol)) }),
	serviceView("headless", {
		headless: true,
		discovery: "passthrough",
		addresses: [],
		ports: [port(9080), port(7000, "TCP")],
	}),
	serviceView("reviews", {}, { subsets: ["v1", "v2"].map((version) => ({ name: version, labels: { version } })) }),
	{
		...external,
		endpoints: endpointsOf(external, [endpoint("a.example.com"), endpoint("b.example.com", { port: 81 })]),
	},
	{
		service: service("rr.example.com", { ...external.service, hostname: "rr.example.com", discovery: "dnsRoundRobin" }),
		endpoints: endpointsOf(external, [endpoint("a.example.com"), endpoint("b.example.com")]),
	},
	serviceView("*.wildcard.example.com", {
		registry: "serviceEntry",
		discovery: "passthrough",
		addresses: [],
		ports: [port(80)],
	}),
	serviceView("*.dynamic.example.com", {
		registry: "serviceEntry",
		discovery: "dynamicDns",
		addresses: [],
		ports: [port(80), port(443, "TLS")],
	}),
];

const to = (subset: string, weight?: number) => ({
	destination: { host, subset },
	...(weight !== undefined && { weight }),
});

const http: readonly HttpRoute[] = [
	{
		name: "matches",
		match: [
			{
				name: "everything",
				uri: { regex: "/api/v[0-9]+/.*" },
				ignoreUriCase: true,
				method: { exact: "GET" },
				authority: { prefix: "reviews" },
				scheme: { exact: "http" },
				headers: { "x-present": {}, "x-any": { regex: "*" }, "x-prefix": { prefix: "a" }, "x-empty": { prefix: "" } },
				withoutHeaders: { "x-absent": {}, "x-not": { exact: "b" } },
				queryParams: { page: { exact: "1" }, all: {}, re: { regex: "[a-z]+" } },
				port: 9080,
				statPrefix: "api",
			},
			{ uri: { exact: "/exact" } },
			{ uri: { prefix: "/prefix/" } },
		],
		route: [to("v1", 90), to("v2", 10), to("v3", 0)],
		timeout: "1.5s",
		retries: {
			attempts: 3,
			perTryTimeout: "500ms",
			retryOn: "gateway-error,503,reset",
			retryRemoteLocalities: true,
			retryIgnorePreviousHosts: false,
			backoff: "10ms",
		},
		headers: {
			request: { set: { ":authority": "other", "x-set": "%REQ(x-a)%" }, add: { "x-add": "1" }, remove: ["x-gone"] },
			response: { set: { "x-set": "1" }, add: { "x-add": "2" }, remove: ["server"] },
		},
		mirror: { host, subset: "v2" },
		mirrorPercentage: { value: 0.5 },
		mirrors: [{ destination: { host: "pool.default.svc.cluster.local" } }],
		corsPolicy: {
			allowOrigins: [{ exact: "https://example.com" }, { regex: ".*[.]example[.]com" }],
			allowMethods: ["GET", "POST"],
			allowHeaders: ["x-a"],
			exposeHeaders: ["x-b"],
			maxAge: "24h",
			allowCredentials: true,
			unmatchedPreflights: "IGNORE",
		},
		fault: {
			delay: { fixedDelay: "7s", percentage: { value: 0.1 } },
			abort: { httpStatus: 555, percentage: { value: 100 } },
		},
	},
	{
		match: [{ uri: { prefix: "/rewritten" } }],
		route: [{ ...to("v1"), headers: { request: { set: { host: "there" } }, response: { remove: ["x"] } } }],
		rewrite: { uri: "/" },
		fault: { abort: { grpcStatus: "UNAVAILABLE", percentage: { value: 1 } } },
	},
	{
		match: [{ uri: { prefix: "/regex" } }],
		route: [to("v1")],
		rewrite: { uriRegexRewrite: { match: "^/regex/(.*)$", rewrite: "/\\1" }, authority: "regex.example.com" },
	},
	{
		match: [{ uri: { prefix: "/moved" } }],
		redirect: { uri: "/new", authority: "new.example.com", scheme: "https", redirectCode: 308, port: 8443 },
	},
	{ match: [{ uri: { prefix: "/moved-port" } }], redirect: { derivePort: "FROM_REQUEST_PORT" } },
	{ match: [{ uri: { prefix: "/teapot" } }], directResponse: { status: 418, body: { string: "short and stout" } } },
	{ match: [{ uri: { prefix: "/bytes" } }], directResponse: { status: 200, body: { bytes: "aGVsbG8=" } } },
	{ match: [{ uri: { prefix: "/weightless" } }], route: [to("v1", 0), to("v2", 0)] },
	{
		route: [
			{ destination: { host: "maglev.default.svc.cluster.local" }, weight: 50 },
			{ ...to("v2", 50), headers: { request: { set: { ":authority": "v2" } } } },
		],
	},
];

export const broadOutbound: OutboundView = outboundView(services, [
	rule([host, "outside.example.com"], http, "broad"),
	rule(["*.wildcard.example.com"], [{ route: [{ destination: { host: "*.wildcard.example.com" } }] }], "wildcard"),
]);

export const broadGateway: GatewayView = gatewayView(
	[
		{
			gateway: "Gateway/istio-system/gw",
			server: { port: { number: 80, protocol: "HTTP" }, hosts: ["*.example.com"], tls: { httpsRedirect: true } },
			hosts: ["*.example.com", "other.org"],
			rules: [
				rule(["bookinfo.example.com", "BOOKS.example.com"], http, "bookinfo"),
				rule(["bookinfo.example.com"], http, "more"),
			],
			routeName: "http.80",
		},
		{
			gateway: "Gateway/istio-system/gw",
			server: { port: { number: 8081, protocol: "HTTP" }, hosts: ["*"] },
			hosts: ["*"],
			rules: [rule(["*"], http)],
			routeName: "http.8081",
		},
		{
			gateway: "Gateway/istio-system/gw",
			server: { port: { number: 8082, protocol: "HTTP" }, hosts: ["*"] },
			hosts: ["*"],
			rules: [],
			routeName: "http.8082",
		},
	],
	services,
);

export const broadInbound: InboundView = {
	mesh: defaultMeshSettings,
	namespace: "default",
	interceptionMode: "REDIRECT",
	addresses: ["10.1.0.5", "fd00::5"],
	ports: [
		{ targetPort: 9080, protocol: "HTTP", service: service("reviews"), servicePort: port(9080) },
		{ targetPort: 9081, protocol: "GRPC", connectionPool: policies.pool?.connectionPool },
		{ targetPort: 9082, protocol: "AUTO" },
		{ targetPort: 9083, protocol: "TCP", defaultEndpoint: "127.0.0.1:8080" },
		{ targetPort: 9084, protocol: "TCP", defaultEndpoint: "0.0.0.0:8080" },
		{ targetPort: 9085, protocol: "TCP", defaultEndpoint: "[::1]:8080" },
		{ targetPort: 9086, protocol: "HTTP", defaultEndpoint: "unix:///run/app.sock" },
	],
};

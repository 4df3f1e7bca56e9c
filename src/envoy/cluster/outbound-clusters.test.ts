import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { Protocol } from "../../model/service.ts";
import type { TrafficPolicy } from "../../resources/kinds/networking.ts";
import { durationFromMs } from "../encode-resource.ts";
import {
	type Cluster,
	Cluster_DiscoveryType,
	Cluster_LbPolicy,
	ClusterSchema,
} from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { DnsClusterSchema } from "../gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.ts";
import { ClusterConfigSchema } from "../gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts";
import {
	type HttpProtocolOptions,
	HttpProtocolOptionsSchema,
} from "../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import {
	decoded,
	endpoint,
	endpointsOf,
	gatewayView,
	named,
	outboundView,
	port,
	serviceView,
} from "../views.testing.ts";
import { generateGatewayClusters } from "./gateway-clusters.ts";
import { generateOutboundClusters } from "./outbound-clusters.ts";

const reviews = "outbound|9080||reviews.default.svc.cluster.local";
const max = 4294967295;

/** The cluster of a service with this traffic policy. */
function clusterWith(trafficPolicy: TrafficPolicy, protocol: Protocol = "HTTP"): Cluster {
	return clusterOf(serviceView("reviews", { ports: [port(9080, protocol)] }, { trafficPolicy }));
}

function clusterOf(view: ReturnType<typeof serviceView>, name = reviews, autoMtls = false): Cluster {
	return decoded(ClusterSchema, named(generateOutboundClusters(outboundView([view]), { autoMtls }), name));
}

function httpOptions(cluster: Cluster): HttpProtocolOptions | undefined {
	const any = cluster.typedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
	return any && anyUnpack(any, HttpProtocolOptionsSchema);
}

describe("outbound clusters", () => {
	it("are one for each port and each subset, with PassthroughCluster and BlackHoleCluster, sorted by name", () => {
		const view = serviceView(
			"reviews",
			{ ports: [port(9080), port(53, "UDP"), port(7000, "TCP")] },
			{ subsets: [{ name: "v1", labels: { version: "v1" } }] },
		);
		assert.deepEqual(
			generateOutboundClusters(outboundView([view])).map(({ name }) => name),
			[
				"BlackHoleCluster",
				"PassthroughCluster",
				"outbound|7000|v1|reviews.default.svc.cluster.local",
				"outbound|7000||reviews.default.svc.cluster.local",
				"outbound|9080|v1|reviews.default.svc.cluster.local",
				"outbound|9080||reviews.default.svc.cluster.local",
			],
		);
	});

	it("have equal bytes for equal input, and the same objects for the same service", () => {
		const view = serviceView("reviews");
		const [first, second] = [
			generateOutboundClusters(outboundView([view])),
			generateOutboundClusters(outboundView([view])),
		];
		assert.equal(named(first, reviews), named(second, reviews));
		const fresh = generateOutboundClusters(outboundView([serviceView("reviews")]));
		assert.deepEqual(fresh, first);
	});

	it("take their endpoints from EDS over ADS under their own name", () => {
		const cluster = clusterOf(serviceView("reviews"));
		assert.deepEqual(cluster.clusterDiscoveryType, { case: "type", value: Cluster_DiscoveryType.EDS });
		assert.equal(cluster.edsClusterConfig?.serviceName, reviews);
		assert.equal(cluster.edsClusterConfig?.edsConfig?.configSourceSpecifier.case, "ads");
	});

	it("say in their metadata which service and which rule they are from", () => {
		const view = serviceView("reviews", {}, { subsets: [{ name: "v1" }], sources: ["DestinationRule/default/dr"] });
		const cluster = clusterOf(view, "outbound|9080|v1|reviews.default.svc.cluster.local");
		assert.deepEqual(cluster.metadata?.filterMetadata.istio, {
			services: [{ host: "reviews.default.svc.cluster.local", name: "reviews", namespace: "default" }],
			default_original_port: 9080,
			config: "/apis/networking.istio.io/v1alpha3/namespaces/default/destination-rule/dr",
			subset: "v1",
		});
	});

	it("have Istio's defaults: least request, no limits, no panic, 10 s to connect", () => {
		const cluster = clusterOf(serviceView("reviews"));
		assert.equal(cluster.lbPolicy, Cluster_LbPolicy.LEAST_REQUEST);
		assert.equal(cluster.commonLbConfig?.healthyPanicThreshold?.value, 0);
		assert.deepEqual(cluster.connectTimeout, durationFromMs(10_000));
		const [thresholds] = cluster.circuitBreakers?.thresholds ?? [];
		assert.deepEqual(
			[thresholds?.maxConnections, thresholds?.maxPendingRequests, thresholds?.maxRequests, thresholds?.maxRetries],
			[max, max, max, max],
		);
		assert.equal(cluster.outlierDetection, undefined);
		assert.equal(httpOptions(cluster), undefined);
	});

	const protocols: readonly (readonly [Protocol, string | undefined])[] = [
		["HTTP", undefined],
		["HTTP2", "http2"],
		["GRPC", "http2"],
		["GRPC-WEB", "http2"],
		["AUTO", "downstream"],
		["TCP", undefined],
		["HTTPS", undefined],
	];
	for (const [protocol, expected] of protocols) {
		it(`speak ${expected ?? "Envoy's default"} to a port of protocol ${protocol}`, () => {
			const options = httpOptions(clusterWith({}, protocol))?.upstreamProtocolOptions;
			const spoken =
				options?.case === "useDownstreamProtocolConfig"
					? "downstream"
					: options?.case === "explicitHttpConfig" && options.value.protocolConfig.case === "http2ProtocolOptions"
						? "http2"
						: undefined;
			assert.equal(spoken, expected);
		});
	}

	it("of a gateway do not follow the client's protocol, since gateways do not sniff", () => {
		const view = serviceView("reviews", { ports: [port(9080, "AUTO")] });
		const clusters = generateGatewayClusters(gatewayView([], [view]));
		assert.equal(httpOptions(decoded(ClusterSchema, named(clusters, reviews))), undefined);
		assert.deepEqual(
			clusters.map(({ name }) => name),
			["BlackHoleCluster", reviews],
		);
	});

	it("of a headless service go where the client went; a gateway gets the endpoints instead", () => {
		const view = serviceView("reviews", { headless: true, discovery: "passthrough" });
		const cluster = clusterOf(view);
		assert.deepEqual(cluster.clusterDiscoveryType.value, Cluster_DiscoveryType.ORIGINAL_DST);
		assert.equal(cluster.lbPolicy, Cluster_LbPolicy.CLUSTER_PROVIDED);
		const atGateway = decoded(ClusterSchema, named(generateGatewayClusters(gatewayView([], [view])), reviews));
		assert.deepEqual(atGateway.clusterDiscoveryType.value, Cluster_DiscoveryType.EDS);
	});

	it("of DNS services hold their endpoints; without one there is no cluster", () => {
		const view = serviceView(
			"db.example.com",
			{ discovery: "dns", ports: [port(80)] },
			{
				subsets: [
					{ name: "eu", labels: { at: "eu" } },
					{ name: "us", labels: { at: "us" } },
				],
			},
		);
		const withEndpoints = {
			...view,
			endpoints: endpointsOf(view, [endpoint("a.example.com", { labels: { at: "eu" } }), endpoint("b.example.com")]),
		};
		const clusters = generateOutboundClusters(outboundView([withEndpoints]));
		assert.deepEqual(
			clusters.map(({ name }) => name).filter((name) => name.startsWith("outbound")),
			["outbound|80|eu|db.example.com", "outbound|80||db.example.com"],
		);
		const cluster = decoded(ClusterSchema, named(clusters, "outbound|80||db.example.com"));
		assert.equal(cluster.loadAssignment?.endpoints[0]?.lbEndpoints.length, 2);
		const type = cluster.clusterDiscoveryType.case === "clusterType" ? cluster.clusterDiscoveryType.value : undefined;
		const dns = type?.typedConfig && anyUnpack(type.typedConfig, DnsClusterSchema);
		assert.deepEqual(dns?.dnsRefreshRate, durationFromMs(60_000));
		assert.equal(dns?.respectDnsTtl, true);
		assert.equal(dns?.allAddressesInSingleEndpoint, false);
	});

	it("of DNS_ROUND_ROBIN services hold one endpoint, as Envoy demands", () => {
		const view = serviceView("db.example.com", { discovery: "dnsRoundRobin", ports: [port(80)] });
		const endpoints = endpointsOf(view, [endpoint("a.example.com"), endpoint("b.example.com")]);
		const cluster = clusterOf({ ...view, endpoints }, "outbound|80||db.example.com");
		assert.equal(cluster.loadAssignment?.endpoints[0]?.lbEndpoints.length, 1);
	});

	it("of DYNAMIC_DNS services resolve the host that the client names", () => {
		const cluster = clusterOf(
			serviceView("*.example.com", { discovery: "dynamicDns", ports: [port(80)] }),
			"outbound|80||*.example.com",
		);
		assert.equal(cluster.lbPolicy, Cluster_LbPolicy.CLUSTER_PROVIDED);
		const type = cluster.clusterDiscoveryType.case === "clusterType" ? cluster.clusterDiscoveryType.value : undefined;
		assert.equal(type?.name, "envoy.clusters.dynamic_forward_proxy");
		assert.ok(type?.typedConfig && anyUnpack(type.typedConfig, ClusterConfigSchema));
	});

	it("use automatic mutual TLS only when asked, by what each endpoint says", () => {
		assert.equal(clusterOf(serviceView("reviews")).transportSocketMatches.length, 0);
		const matches = clusterOf(serviceView("reviews"), reviews, true).transportSocketMatches;
		assert.deepEqual(
			matches.map(({ name, match, transportSocket }) => [name, match, transportSocket?.name]),
			[
				["tlsMode-istio", { tlsMode: "istio" }, "envoy.transport_sockets.tls"],
				["tlsMode-disabled", {}, "envoy.transport_sockets.raw_buffer"],
			],
		);
		const external = serviceView("reviews", { meshExternal: true });
		assert.equal(clusterOf(external, reviews, true).transportSocketMatches.length, 0);
		const plain = serviceView("reviews", {}, { trafficPolicy: { tls: { mode: "DISABLE" } } });
		assert.equal(clusterOf(plain, reviews, true).transportSocketMatches.length, 0);
	});
});

describe("DestinationRule connectionPool", () => {
	it("tcp: maxConnections, connectTimeout, tcpKeepalive, maxConnectionDuration, idleTimeout", () => {
		const cluster = clusterWith({
			connectionPool: {
				tcp: {
					maxConnections: 1,
					connectTimeout: "30ms",
					tcpKeepalive: { probes: 3, time: "7200s", interval: "75s" },
					maxConnectionDuration: "1h",
					idleTimeout: "5m",
				},
			},
		});
		assert.equal(cluster.circuitBreakers?.thresholds[0]?.maxConnections, 1);
		assert.equal(cluster.circuitBreakers?.thresholds[0]?.maxRequests, max);
		assert.deepEqual(cluster.connectTimeout, durationFromMs(30));
		const keepalive = cluster.upstreamConnectionOptions?.tcpKeepalive;
		assert.deepEqual(
			[keepalive?.keepaliveProbes, keepalive?.keepaliveTime, keepalive?.keepaliveInterval],
			[3, 7200, 75],
		);
		const common = httpOptions(cluster)?.commonHttpProtocolOptions;
		assert.deepEqual(common?.maxConnectionDuration, durationFromMs(3_600_000));
		assert.deepEqual(common?.idleTimeout, durationFromMs(300_000));
	});

	it("http: http1MaxPendingRequests, http2MaxRequests, maxRequestsPerConnection, maxRetries, idleTimeout", () => {
		const cluster = clusterWith({
			connectionPool: {
				tcp: { idleTimeout: "5m" },
				http: {
					http1MaxPendingRequests: 1,
					http2MaxRequests: 2,
					maxRequestsPerConnection: 3,
					maxRetries: 4,
					idleTimeout: "9s",
				},
			},
		});
		const [thresholds] = cluster.circuitBreakers?.thresholds ?? [];
		assert.deepEqual([thresholds?.maxPendingRequests, thresholds?.maxRequests, thresholds?.maxRetries], [1, 2, 4]);
		const common = httpOptions(cluster)?.commonHttpProtocolOptions;
		assert.equal(common?.maxRequestsPerConnection, 3);
		assert.deepEqual(common?.idleTimeout, durationFromMs(9000));
	});

	it("http: h2UpgradePolicy UPGRADE with maxConcurrentStreams, and useClientProtocol", () => {
		const upgraded = httpOptions(
			clusterWith({ connectionPool: { http: { h2UpgradePolicy: "UPGRADE", maxConcurrentStreams: 7 } } }),
		)?.upstreamProtocolOptions;
		assert.equal(upgraded?.case, "explicitHttpConfig");
		const config = upgraded?.case === "explicitHttpConfig" ? upgraded.value.protocolConfig : undefined;
		assert.equal(config?.case === "http2ProtocolOptions" ? config.value.maxConcurrentStreams : undefined, 7);
		const followed = httpOptions(clusterWith({ connectionPool: { http: { useClientProtocol: true } } }));
		assert.equal(followed?.upstreamProtocolOptions.case, "useDownstreamProtocolConfig");
	});

	it("retryBudget has Istio's defaults of 20 % and 3 retries", () => {
		const budget = clusterWith({ retryBudget: {} }).circuitBreakers?.thresholds[0]?.retryBudget;
		assert.deepEqual([budget?.budgetPercent?.value, budget?.minRetryConcurrency], [20, 3]);
	});
});

describe("DestinationRule outlierDetection", () => {
	it("leaves what is not set to Envoy, and never ejects by success rate", () => {
		const outlier = clusterWith({ outlierDetection: {} }).outlierDetection;
		assert.equal(outlier?.enforcingSuccessRate, 0);
		assert.equal(outlier?.consecutive5xx, undefined);
		assert.equal(outlier?.enforcingConsecutive5xx, undefined);
		assert.equal(outlier?.interval, undefined);
		assert.equal(outlier?.maxEjectionPercent, undefined);
	});

	it("enforces what is set, and turns off what is 0", () => {
		const cluster = clusterWith({
			outlierDetection: {
				consecutive5xxErrors: 1,
				consecutiveGatewayErrors: 0,
				interval: "1s",
				baseEjectionTime: "3m",
				maxEjectionPercent: 100,
				minHealthPercent: 40,
				splitExternalLocalOriginErrors: true,
				consecutiveLocalOriginFailures: 4,
			},
		});
		const outlier = cluster.outlierDetection;
		assert.deepEqual([outlier?.consecutive5xx, outlier?.enforcingConsecutive5xx], [1, 100]);
		assert.deepEqual([outlier?.consecutiveGatewayFailure, outlier?.enforcingConsecutiveGatewayFailure], [0, 0]);
		assert.deepEqual([outlier?.interval, outlier?.baseEjectionTime], [durationFromMs(1000), durationFromMs(180_000)]);
		assert.equal(outlier?.maxEjectionPercent, 100);
		assert.deepEqual(
			[outlier?.consecutiveLocalOriginFailure, outlier?.enforcingConsecutiveLocalOriginFailure],
			[4, 100],
		);
		assert.deepEqual([outlier?.splitExternalLocalOriginErrors, outlier?.enforcingLocalOriginSuccessRate], [true, 0]);
		assert.equal(cluster.commonLbConfig?.healthyPanicThreshold?.value, 40);
	});
});

describe("DestinationRule loadBalancer", () => {
	const simple: readonly (readonly [NonNullable<TrafficPolicy["loadBalancer"]>["simple"], Cluster_LbPolicy])[] = [
		["UNSPECIFIED", Cluster_LbPolicy.LEAST_REQUEST],
		["LEAST_CONN", Cluster_LbPolicy.LEAST_REQUEST],
		["LEAST_REQUEST", Cluster_LbPolicy.LEAST_REQUEST],
		["RANDOM", Cluster_LbPolicy.RANDOM],
		["ROUND_ROBIN", Cluster_LbPolicy.ROUND_ROBIN],
		["PASSTHROUGH", Cluster_LbPolicy.CLUSTER_PROVIDED],
	];
	for (const [value, expected] of simple) {
		it(`simple ${value}`, () => {
			assert.equal(clusterWith({ loadBalancer: { simple: value } }).lbPolicy, expected);
		});
	}

	it("simple PASSTHROUGH goes to the address that the client asked for", () => {
		const cluster = clusterWith({ loadBalancer: { simple: "PASSTHROUGH" } });
		assert.deepEqual(cluster.clusterDiscoveryType.value, Cluster_DiscoveryType.ORIGINAL_DST);
		assert.equal(cluster.edsClusterConfig, undefined);
	});

	it("warmup, and the older warmupDurationSecs", () => {
		const old = clusterWith({ loadBalancer: { warmupDurationSecs: "30s" } }).lbConfig;
		assert.equal(old.case, "leastRequestLbConfig");
		const { lbConfig } = clusterWith({
			loadBalancer: { simple: "ROUND_ROBIN", warmup: { duration: "1m", minimumPercent: 5, aggression: 2 } },
		});
		const slowStart = lbConfig.case === "roundRobinLbConfig" ? lbConfig.value.slowStartConfig : undefined;
		assert.deepEqual(slowStart?.slowStartWindow, durationFromMs(60_000));
		assert.deepEqual([slowStart?.minWeightPercent?.value, slowStart?.aggression?.defaultValue], [5, 2]);
	});

	it("consistentHash: a ring of 1024 by default, ringHash and maglev as told", () => {
		const ring = clusterWith({ loadBalancer: { consistentHash: { useSourceIp: true } } });
		assert.equal(ring.lbPolicy, Cluster_LbPolicy.RING_HASH);
		assert.equal(ring.lbConfig.case === "ringHashLbConfig" && ring.lbConfig.value.minimumRingSize, 1024n);
		const sized = clusterWith({ loadBalancer: { consistentHash: { ringHash: { minimumRingSize: 99 } } } });
		assert.equal(sized.lbConfig.case === "ringHashLbConfig" && sized.lbConfig.value.minimumRingSize, 99n);
		const maglev = clusterWith({ loadBalancer: { consistentHash: { maglev: { tableSize: 7 } } } });
		assert.equal(maglev.lbPolicy, Cluster_LbPolicy.MAGLEV);
		assert.equal(maglev.lbConfig.case === "maglevLbConfig" && maglev.lbConfig.value.tableSize, 7n);
	});

	it("localityLbSetting weighs localities for distribute, and for failover with outlier detection", () => {
		const weighs = (policy: TrafficPolicy): boolean =>
			clusterWith(policy).commonLbConfig?.localityConfigSpecifier.case === "localityWeightedLbConfig";
		const distribute = { distribute: [{ from: "eu/*", to: { "eu/*": 100 } }] };
		const failover = { failover: [{ from: "eu", to: "us" }] };
		assert.equal(weighs({ loadBalancer: { localityLbSetting: distribute } }), true);
		assert.equal(weighs({ loadBalancer: { localityLbSetting: failover } }), false);
		assert.equal(weighs({ loadBalancer: { localityLbSetting: failover }, outlierDetection: {} }), true);
		assert.equal(weighs({ outlierDetection: {} }), false);
		assert.equal(weighs({ loadBalancer: { localityLbSetting: { ...distribute, enabled: false } } }), false);
	});
});

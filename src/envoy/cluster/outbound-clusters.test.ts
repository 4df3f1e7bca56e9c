import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { Protocol } from "../../model/service.ts";
import { durationFromMs } from "../encode-resource.ts";
import { Cluster_DiscoveryType, Cluster_LbPolicy, ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { DnsClusterSchema } from "../gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.ts";
import { ClusterConfigSchema } from "../gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts";
import { UpstreamTlsContextSchema } from "../gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
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
import { clusterOf, clusterWith, httpOptions, max, reviews } from "./clusters.testing.ts";
import { generateGatewayClusters } from "./gateway-clusters.ts";
import { generateOutboundClusters } from "./outbound-clusters.ts";

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

	it("use automatic mutual TLS only for a client with a certificate, by what each endpoint says", () => {
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

	it("use it for subsets as well, each under its own SNI, and leave out a port or a subset that a rule takes out", () => {
		const disabled = { tls: { mode: "DISABLE" as const } };
		const view = serviceView(
			"reviews",
			{ ports: [port(80), port(81)] },
			{
				trafficPolicy: { portLevelSettings: [{ port: { number: 81 }, ...disabled }] },
				subsets: [
					{ name: "v1", labels: { version: "v1" } },
					{ name: "plain", labels: { version: "v0" }, trafficPolicy: disabled },
				],
			},
		);
		const found = ["80|", "80|v1", "80|plain", "81|", "81|v1"].map((name) => {
			const [match] = clusterOf(
				view,
				`outbound|${name}|reviews.default.svc.cluster.local`,
				true,
			).transportSocketMatches;
			const config = match?.transportSocket?.configType;
			const context = config?.case === "typedConfig" ? anyUnpack(config.value, UpstreamTlsContextSchema) : undefined;
			return context?.sni;
		});
		assert.deepEqual(found, [
			"outbound_.80_._.reviews.default.svc.cluster.local",
			"outbound_.80_.v1_.reviews.default.svc.cluster.local",
			undefined,
			undefined,
			undefined,
		]);
	});

	it("use it to endpoints that clients choose themselves only where all of them take it", () => {
		const headless = serviceView("reviews", { discovery: "passthrough", headless: true });
		const socketOf = (securedPorts: readonly number[], certificate = true) => {
			const cluster = clusterOf({ ...headless, securedPorts }, reviews, certificate);
			assert.equal(cluster.transportSocketMatches.length, 0);
			return cluster.transportSocket?.name;
		};
		assert.equal(socketOf([9080]), "envoy.transport_sockets.tls");
		assert.equal(socketOf([9081]), undefined);
		assert.equal(socketOf([9080], false), undefined);
	});

	it("never use it in a dynamic forward proxy", () => {
		const cluster = clusterOf(
			serviceView("*.example.com", { discovery: "dynamicDns", ports: [port(80)] }),
			"outbound|80||*.example.com",
			true,
		);
		assert.equal(cluster.transportSocketMatches.length, 0);
		assert.equal(cluster.transportSocket, undefined);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TrafficPolicy } from "../../resources/kinds/networking.ts";
import { durationFromMs } from "../encode-resource.ts";
import { Cluster_DiscoveryType, Cluster_LbPolicy } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { clusterWith, httpOptions, max } from "./clusters.testing.ts";

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
		assert.deepEqual(cluster.commonLbConfig?.updateMergeWindow, durationFromMs(0));
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

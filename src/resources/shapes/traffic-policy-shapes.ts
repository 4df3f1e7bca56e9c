// Fields that several networking kinds share: connection pools, load balancing, outlier detection, TLS.
// Names and types as in Istio's networking.istio.io/v1 schemas.

import {
	any,
	choice,
	count,
	duration,
	durationOrZero,
	flag,
	labels,
	list,
	map,
	number,
	percent,
	port,
	portOrZero,
	smallCount,
	struct,
	text,
	texts,
	whole,
} from "./shape.ts";

export const destinationShape = struct({ host: text, subset: text, port: struct({ number: port }, "number") }, "host");

export const connectionPoolShape = struct({
	tcp: struct({
		maxConnections: smallCount,
		connectTimeout: duration,
		tcpKeepalive: struct({ probes: count, time: duration, interval: duration }),
		maxConnectionDuration: duration,
		// 0s: never.
		idleTimeout: durationOrZero,
	}),
	http: struct({
		http1MaxPendingRequests: smallCount,
		http2MaxRequests: smallCount,
		maxRequestsPerConnection: smallCount,
		maxRetries: smallCount,
		idleTimeout: duration,
		h2UpgradePolicy: choice("DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"),
		useClientProtocol: flag,
		maxConcurrentStreams: smallCount,
		http2KeepAlive: any,
	}),
});

export const localityLbShape = struct({
	enabled: flag,
	distribute: list(struct({ from: text, to: map(count) })),
	failover: list(struct({ from: text, to: text })),
	failoverPriority: texts,
});

const loadBalancerShape = struct({
	simple: choice("UNSPECIFIED", "LEAST_CONN", "RANDOM", "PASSTHROUGH", "ROUND_ROBIN", "LEAST_REQUEST"),
	consistentHash: struct({
		httpHeaderName: text,
		httpCookie: struct(
			{ name: text, path: text, ttl: durationOrZero, attributes: list(struct({ name: text, value: text }, "name")) },
			"name",
		),
		useSourceIp: flag,
		httpQueryParameterName: text,
		ringHash: struct({ minimumRingSize: count }),
		maglev: struct({ tableSize: count }),
		minimumRingSize: count,
	}),
	localityLbSetting: localityLbShape,
	zoneAwareLbSetting: any,
	warmup: struct(
		{ duration, minimumPercent: number(0, 100), aggression: number(1, Number.POSITIVE_INFINITY) },
		"duration",
	),
	warmupDurationSecs: duration,
});

const outlierDetectionShape = struct({
	consecutiveErrors: smallCount,
	consecutive5xxErrors: count,
	consecutiveGatewayErrors: count,
	consecutiveLocalOriginFailures: count,
	splitExternalLocalOriginErrors: flag,
	interval: duration,
	baseEjectionTime: duration,
	maxEjectionPercent: percent,
	minHealthPercent: percent,
});

const clientTlsShape = struct({
	mode: choice("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"),
	clientCertificate: text,
	privateKey: text,
	caCertificates: text,
	caCrl: text,
	credentialName: text,
	subjectAltNames: texts,
	sni: text,
	insecureSkipVerify: flag,
});

const portPolicyFields = {
	loadBalancer: loadBalancerShape,
	connectionPool: connectionPoolShape,
	outlierDetection: outlierDetectionShape,
	tls: clientTlsShape,
};

export const trafficPolicyShape = struct({
	...portPolicyFields,
	portLevelSettings: list(struct({ ...portPolicyFields, port: struct({ number: port }) }), 0, 4096),
	tunnel: struct({ protocol: text, targetHost: text, targetPort: port }, "targetHost", "targetPort"),
	proxyProtocol: struct({ version: choice("V1", "V2") }),
	retryBudget: struct({ percent: number(0, 100), minRetryConcurrency: count }),
});

const tlsVersion = choice("TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3");

export const serverTlsShape = struct({
	httpsRedirect: flag,
	mode: choice("PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"),
	serverCertificate: text,
	privateKey: text,
	caCertificates: text,
	caCrl: text,
	credentialName: text,
	credentialNames: list(text, 1, 2),
	caCertCredentialName: text,
	tlsCertificates: list(struct({ serverCertificate: text, privateKey: text, caCertificates: text }), 1, 2),
	subjectAltNames: texts,
	verifyCertificateSpki: texts,
	verifyCertificateHash: texts,
	minProtocolVersion: tlsVersion,
	maxProtocolVersion: tlsVersion,
	cipherSuites: texts,
});

/** 0 stands for "none", where there is a Unix socket instead. */
export const listenerPortFields = { number: portOrZero, name: text, protocol: text, targetPort: portOrZero };

export const workloadEntryFields = {
	address: { type: "text", maxLength: 256 } as const,
	ports: map(port),
	labels,
	network: { type: "text", maxLength: 2048 } as const,
	locality: { type: "text", maxLength: 2048 } as const,
	weight: count,
	serviceAccount: { type: "text", maxLength: 253 } as const,
};

/** Relative share of the traffic. */
export const weight = whole(0, 2147483647, "a whole number from 0");

import { describeRules, type RuleCase } from "./rules.testing.ts";

const policy = (fields: string): string => `host: a\ntrafficPolicy:\n${fields.replace(/^(?=.)/gm, "  ")}`;
const balancer = (fields: string): string => policy(`loadBalancer: ${fields}`);
const locality = (fields: string): string =>
	policy(`outlierDetection: {}\nloadBalancer: {localityLbSetting: ${fields}}`);
const tls = (fields: string): string => policy(`tls: ${fields}`);
const lb = "spec.trafficPolicy.loadBalancer";

const cases: readonly RuleCase[] = [
	["subsets", "host: a\nsubsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]"],
	["a subset twice", "host: a\nsubsets: [{name: v1}, {name: v1}]", "error spec.subsets[1].name: "],
	["a subset without name", "host: a\nsubsets: [{labels: {a: b}}]", "error spec.subsets[0].name: name is missing"],
	["a bad name of a subset", "host: a\nsubsets: [{name: v.1}]", "error spec.subsets[0].name: "],
	["a rule without host", "subsets: [{name: v1}]", "error spec.host: host is missing"],
	["an empty policy", "host: a\ntrafficPolicy: {}", "error spec.trafficPolicy: is empty"],
	[
		"a number as a label",
		"host: a\nsubsets: [{name: v1, labels: {version: 1}}]",
		"error spec.subsets[0].labels.version: must be a text, found 1",
	],

	["a simple balancer", balancer("{simple: ROUND_ROBIN}")],
	["an unknown balancer", balancer("{simple: ROUNDROBIN}"), `error ${lb}.simple: must be one of`],
	["two balancers", balancer("{simple: RANDOM, consistentHash: {useSourceIp: true}}"), `error ${lb}: `],
	["a hash by cookie", balancer("{consistentHash: {httpCookie: {name: user, ttl: 0s}}}")],
	[
		"a cookie without name",
		balancer("{consistentHash: {httpCookie: {ttl: 0s}}}"),
		`error ${lb}.consistentHash.httpCookie.name: `,
	],
	["two hashes", balancer("{consistentHash: {httpHeaderName: a, useSourceIp: true}}"), `error ${lb}.consistentHash: `],
	["a hash by nothing", balancer("{consistentHash: {}}"), `warning ${lb}.consistentHash: `],
	["Maglev", balancer("{consistentHash: {useSourceIp: true, maglev: {tableSize: 65537}}}")],
	[
		"Maglev without a prime number",
		balancer("{consistentHash: {useSourceIp: true, maglev: {tableSize: 65536}}}"),
		`error ${lb}.consistentHash.maglev.tableSize: `,
	],
	[
		"the old ring size",
		balancer("{consistentHash: {useSourceIp: true, minimumRingSize: 1024}}"),
		`warning ${lb}.consistentHash.minimumRingSize: `,
	],
	[
		"two ring sizes",
		balancer("{consistentHash: {useSourceIp: true, minimumRingSize: 1024, ringHash: {}}}"),
		`error ${lb}.consistentHash.minimumRingSize: `,
	],
	["a warm-up", balancer("{warmup: {duration: 300s, minimumPercent: 10, aggression: 1.5}}")],
	["a warm-up without duration", balancer("{warmup: {minimumPercent: 5}}"), `error ${lb}.warmup.duration: `],
	[
		"a warm-up from more than all",
		balancer("{warmup: {duration: 300s, minimumPercent: 150}}"),
		`error ${lb}.warmup.minimumPercent: `,
	],
	[
		"too little aggression",
		balancer("{warmup: {duration: 300s, aggression: 0.3}}"),
		`error ${lb}.warmup.aggression: must be a number from 1, found 0.3`,
	],
	["the old warm-up", balancer("{warmupDurationSecs: 60s}"), `warning ${lb}.warmupDurationSecs: `],

	["shares by place", locality('{distribute: [{from: "us/*", to: {"us/a/*": 80, "eu/*": 20}}]}')],
	[
		"shares of 90",
		locality('{distribute: [{from: "us/*", to: {"us/a/*": 80, "eu/*": 10}}]}'),
		`error ${lb}.localityLbSetting.distribute[0].to: the shares add up to 90`,
	],
	[
		"a share of 0",
		locality('{distribute: [{from: "us/*", to: {"us/a/*": 100, "eu/*": 0}}]}'),
		`error ${lb}.localityLbSetting.distribute[0].to["eu/*"]: `,
	],
	[
		"a place in another",
		locality('{distribute: [{from: "us/*", to: {"us/*": 80, "us/a": 20}}]}'),
		`error ${lb}.localityLbSetting.distribute[0].to: `,
	],
	[
		"a wildcard in the middle",
		locality('{distribute: [{from: "us/*/b", to: {"us/*": 100}}]}'),
		`error ${lb}.localityLbSetting.distribute[0].from: `,
	],
	["failover", locality("{failover: [{from: us, to: eu}]}")],
	["failover to itself", locality("{failover: [{from: us, to: us}]}"), `error ${lb}.localityLbSetting.failover[0]: `],
	[
		"failover of a zone",
		locality("{failover: [{from: us/a, to: eu}]}"),
		`error ${lb}.localityLbSetting.failover[0].from: `,
	],
	[
		"shares and failover",
		locality('{failover: [{from: us, to: eu}], distribute: [{from: "us/*", to: {"us/*": 100}}]}'),
		`error ${lb}.localityLbSetting: `,
	],
	[
		"failover without outlier detection",
		balancer("{localityLbSetting: {failoverPriority: [topology.istio.io/network]}}"),
		`error ${lb}.localityLbSetting: failover needs outlierDetection`,
	],

	[
		"outlier detection",
		policy("outlierDetection: {consecutive5xxErrors: 5, interval: 10s, baseEjectionTime: 30s, maxEjectionPercent: 50}"),
	],
	[
		"more than all ejected",
		policy("outlierDetection: {maxEjectionPercent: 101}"),
		"error spec.trafficPolicy.outlierDetection.maxEjectionPercent: ",
	],
	[
		"the old consecutiveErrors",
		policy("outlierDetection: {consecutiveErrors: 5}"),
		"warning spec.trafficPolicy.outlierDetection.consecutiveErrors: ",
	],
	[
		"local failures that are not counted",
		policy("outlierDetection: {consecutiveLocalOriginFailures: 5}"),
		"error spec.trafficPolicy.outlierDetection.consecutiveLocalOriginFailures: ",
	],
	[
		"a connection pool",
		policy("connectionPool: {tcp: {maxConnections: 1, connectTimeout: 30ms}, http: {http1MaxPendingRequests: 1}}"),
	],
	["a TCP connection that may idle for ever", policy("connectionPool: {tcp: {idleTimeout: 0s}}")],
	["an empty connection pool", policy("connectionPool: {}"), "error spec.trafficPolicy.connectionPool: is empty"],
	[
		"a negative limit",
		policy("connectionPool: {tcp: {maxConnections: -1}}"),
		"error spec.trafficPolicy.connectionPool.tcp.maxConnections: ",
	],
	[
		"an upgrade against the client's protocol",
		policy("connectionPool: {http: {h2UpgradePolicy: UPGRADE, useClientProtocol: true}}"),
		"error spec.trafficPolicy.connectionPool.http: ",
	],

	["the mesh's TLS", tls("{mode: ISTIO_MUTUAL}")],
	["mutual TLS without key", tls("{mode: MUTUAL, clientCertificate: /a}"), "error spec.trafficPolicy.tls.privateKey: "],
	["mutual TLS with a secret", tls("{mode: MUTUAL, credentialName: a}")],
	[
		"a secret and files",
		tls("{mode: MUTUAL, credentialName: a, clientCertificate: /a}"),
		"error spec.trafficPolicy.tls: ",
	],
	[
		"no check and an authority",
		tls("{mode: SIMPLE, insecureSkipVerify: true, caCertificates: /a}"),
		"error spec.trafficPolicy.tls: ",
	],
	["files with the mesh's TLS", tls("{mode: ISTIO_MUTUAL, privateKey: /a}"), "error spec.trafficPolicy.tls: "],
	["settings of a port", policy("portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: RANDOM}}]")],
	[
		"settings of no port",
		policy("portLevelSettings: [{loadBalancer: {simple: RANDOM}}]"),
		"error spec.trafficPolicy.portLevelSettings[0].port: ",
	],
	[
		"a port without settings",
		policy("portLevelSettings: [{port: {number: 80}}]"),
		"error spec.trafficPolicy.portLevelSettings[0]: ",
	],
	["a selector", "host: a\nworkloadSelector: {matchLabels: {app: a}}\ntrafficPolicy: {loadBalancer: {simple: RANDOM}}"],
	[
		"a selector and all namespaces",
		'host: a\nworkloadSelector: {matchLabels: {app: a}}\nexportTo: ["*"]',
		"error spec.exportTo: ",
	],
	[
		"a wildcard in a selector",
		'host: a\nworkloadSelector: {matchLabels: {app: "*"}}',
		"error spec.workloadSelector.app: ",
	],
	[
		"tunnel",
		policy("tunnel: {targetHost: a.com, targetPort: 443}"),
		"warning spec.trafficPolicy.tunnel: tunnel is accepted but has no effect yet",
	],
	[
		"proxyProtocol in a subset",
		"host: a\nsubsets: [{name: v1, trafficPolicy: {proxyProtocol: {version: V2}}}]",
		"warning spec.subsets[0].trafficPolicy.proxyProtocol: ",
	],
	["retryBudget", policy("retryBudget: {percent: 25}"), "warning spec.trafficPolicy.retryBudget: "],
	[
		"zoneAwareLbSetting of a port",
		policy("portLevelSettings: [{port: {number: 80}, loadBalancer: {zoneAwareLbSetting: {enabled: true}}}]"),
		"warning spec.trafficPolicy.portLevelSettings[0].loadBalancer.zoneAwareLbSetting: ",
	],
	[
		"http2KeepAlive",
		policy("connectionPool: {http: {http2KeepAlive: {interval: 1s}}}"),
		"warning spec.trafficPolicy.connectionPool.http.http2KeepAlive: ",
	],
];

describeRules("DestinationRule", cases);

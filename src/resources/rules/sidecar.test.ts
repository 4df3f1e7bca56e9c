import { describeRules, type RuleCase } from "./rules.testing.ts";

const hosts = (host: string): string => `egress: [{hosts: ["${host}"]}]`;
const ingress = (fields: string): string => `ingress: [{port: {number: 80, name: http, protocol: HTTP}, ${fields}}]`;

describeRules("Sidecar", [
	["the own namespace", hosts("./*")],
	["everything", hosts("*/*")],
	["nothing", hosts("~/*")],
	["one host", hosts("prod/a.example.com")],
	["an excluded host", 'egress: [{hosts: ["./*", "~prod/a.example.com"]}]'],
	["nothing at all", "workloadSelector: {labels: {a: b}}", "error spec: is empty"],
	[
		"a host without namespace",
		hosts("a.example.com"),
		'error spec.egress[0].hosts[0]: "a.example.com" has no namespace',
	],
	["a short host", hosts("prod/reviews"), "error spec.egress[0].hosts[0]: "],
	["a bad namespace", hosts("a_b/*"), "error spec.egress[0].hosts[0]: "],
	["half a wildcard", hosts("*/*a.com"), "error spec.egress[0].hosts[0]: "],
	["no hosts", "egress: [{hosts: []}]", "error spec.egress[0].hosts: is empty"],
	["a host twice", 'egress: [{hosts: ["ns/a.com", "./a.com"]}]', "warning spec.egress[0].hosts[1]: "],
	["everything and one host", 'egress: [{hosts: ["*/*", "prod/a.com"]}]', "warning spec.egress[0].hosts: "],
	["two listeners without port", 'egress: [{hosts: ["./*"]}, {hosts: ["a/*"]}]', "error spec.egress[0]: "],
	[
		"a listener on a port",
		'egress: [{port: {number: 9080, protocol: HTTP, name: e}, hosts: ["./*"]}, {hosts: ["a/*"]}]',
		"warning spec.egress[0].port: ",
	],
	[
		"a port that is there twice",
		'egress: [{port: {number: 80}, hosts: ["./*"]}, {port: {number: 80}, hosts: ["a/*"]}]',
		"error spec.egress[1].port: ",
	],
	["a socket that is none", 'egress: [{port: {number: 0}, hosts: ["./*"]}]', "error spec.egress[0].bind: "],
	["a default endpoint", ingress("defaultEndpoint: 127.0.0.1:8080")],
	["a default endpoint elsewhere", ingress("defaultEndpoint: 10.1.2.3:80"), "error spec.ingress[0].defaultEndpoint: "],
	["a default endpoint without port", ingress("defaultEndpoint: 127.0.0.1"), "error spec.ingress[0].defaultEndpoint: "],
	[
		"a default endpoint on port 70000",
		ingress("defaultEndpoint: 127.0.0.1:70000"),
		"error spec.ingress[0].defaultEndpoint: ",
	],
	["a Unix socket", ingress("defaultEndpoint: unix:///a.sock"), "warning spec.ingress[0].defaultEndpoint: "],
	["an ingress without protocol", "ingress: [{port: {number: 80}}]"],
	[
		"an ingress without port",
		"ingress: [{defaultEndpoint: 127.0.0.1:80}]",
		"error spec.ingress[0].port: port is missing",
	],
	[
		"an ingress port twice",
		"ingress: [{port: {number: 80}}, {port: {number: 80}}]",
		"error spec.ingress[1].port.number: ",
	],
	[
		"TLS with a secret",
		ingress("tls: {mode: SIMPLE, credentialName: a}"),
		"error spec.ingress[0].tls.credentialName: ",
	],
	[
		"TLS from files",
		ingress("tls: {mode: SIMPLE, serverCertificate: /a, privateKey: /b}"),
		"warning spec.ingress[0].tls: ",
	],
	[
		"HTTP limits on TCP",
		"ingress: [{port: {number: 80, protocol: TCP}, connectionPool: {http: {maxRetries: 1}}}]",
		"warning spec.ingress[0].connectionPool.http: ",
	],
	["an empty connection pool", "inboundConnectionPool: {}", "error spec.inboundConnectionPool: is empty"],
	["a policy for unknown hosts", "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"],
	[
		"an egress proxy without ALLOW_ANY",
		"outboundTrafficPolicy: {mode: REGISTRY_ONLY, egressProxy: {host: a.com, port: {number: 80}}}",
		"error spec.outboundTrafficPolicy.egressProxy: ",
	],
] satisfies readonly RuleCase[]);

describeRules("MeshConfig", [
	[
		"settings",
		"trustDomain: cluster.local\noutboundTrafficPolicy: {mode: REGISTRY_ONLY}\nconnectTimeout: 5s\nprotocolDetectionTimeout: 0s",
	],
	["an unknown setting", "trustDomains: a", "error spec.trustDomains: there is no field trustDomains here"],
	["a bad trust domain", "trustDomain: a_b", "error spec.trustDomain: "],
	["a bad time to connect", "connectTimeout: 2h", "error spec.connectTimeout: "],
	[
		"a bad retry condition",
		"defaultHttpRetryPolicy: {attempts: 2, retryOn: x}",
		"error spec.defaultHttpRetryPolicy.retryOn: ",
	],
] satisfies readonly RuleCase[]);

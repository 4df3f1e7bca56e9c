import { describe } from "node:test";
import { type ReferenceCase, testReferences } from "./references.testing.ts";

const pod = "Pod default/web {containers: [{name: a, ports: [{name: main, containerPort: 8080}]}]}";
const service = (ports = "{port: 80, name: http, targetPort: main}"): string =>
	`Service default/web {selector: {app: web}, ports: [${ports}]}`;
const mysql = service("{port: 80, name: http, targetPort: main}, {port: 3306, name: mysql}");
const web = "selector: {matchLabels: {app: web}}";
const peer = (name: string, mode: string, more = "", namespace = "default"): string =>
	`PeerAuthentication ${namespace}/${name} {mtls: {mode: ${mode}}${more}}`;
const policy = (spec: string, namespace = "default"): string => `AuthorizationPolicy ${namespace}/p {${spec}}`;
const destination = (tls: string, more = ""): string =>
	`DestinationRule default/d {host: web, trafficPolicy: {tls: {mode: ${tls}}${more}}}`;
const mesh = (providers: string): string => `MeshConfig istio-system/mesh {extensionProviders: [${providers}]}`;
const custom = "action: CUSTOM, provider: {name: auth}, rules: [{}]";
const rule = (fields: string): string => `{from: [{source: {${fields}}}]}`;

const peers: readonly ReferenceCase[] = [
	[
		"one PeerAuthentication at each level",
		[pod, peer("a", "STRICT", "", "istio-system"), peer("b", "DISABLE"), peer("c", "STRICT", `, ${web}`)],
	],
	[
		"a second one for a namespace",
		[peer("b", "STRICT"), peer("a", "DISABLE", ", selector: {matchLabels: {}}")],
		"IST0167 warning PeerAuthentication default/a spec: PeerAuthentication default/b, which is older, decides for namespace default",
	],
	[
		"a second one for the mesh",
		[peer("b", "STRICT", "", "istio"), peer("a", "DISABLE", "", "istio"), "MeshConfig istio/m {rootNamespace: istio}"],
		"IST0167 warning PeerAuthentication istio/a spec: PeerAuthentication istio/b, which is older, decides for the whole mesh",
	],
	[
		"a second one for a workload",
		[pod, peer("b", "STRICT", `, ${web}`), peer("a", "DISABLE", ", selector: {matchLabels: {version: v1}}")],
		"IST0167 warning PeerAuthentication default/a spec.selector: PeerAuthentication default/b, which is older, selects web too",
	],
	[
		"one with a selector in the root namespace",
		[pod, peer("a", "STRICT", `, ${web}`, "root"), "MeshConfig root/m {rootNamespace: root}"],
		"IST0167 warning PeerAuthentication root/a spec.selector: in the root namespace a PeerAuthentication with a selector",
	],
	[
		"a selector that selects nothing",
		[pod, peer("a", "STRICT", ", selector: {matchLabels: {app: wbe}}")],
		"IST0127 warning PeerAuthentication default/a spec.selector: selects nothing: no workload of namespace default has app=wbe",
	],
	[
		"a selector where nothing is known to run",
		[pod, peer("a", "STRICT", ", selector: {matchLabels: {app: wbe}}", "prod")],
	],
	[
		"a policy for the mesh that selects nothing",
		[pod, policy("selector: {matchLabels: {app: x}}", "root"), "MeshConfig root/m {rootNamespace: root}"],
		"IST0127 warning AuthorizationPolicy root/p spec.selector: selects nothing: no workload has app=x",
	],
];

const conflicts: readonly ReferenceCase[] = [
	[
		"clients that leave it to the server",
		[
			pod,
			service(),
			peer("a", "STRICT"),
			"DestinationRule default/d {host: web, trafficPolicy: {loadBalancer: {simple: RANDOM}}}",
		],
	],
	[
		"clients that speak mutual TLS to a strict server",
		[pod, service(), peer("a", "STRICT"), destination("ISTIO_MUTUAL")],
	],
	[
		"clients that speak plain text to a permissive server",
		[pod, service(), peer("a", "PERMISSIVE"), destination("DISABLE")],
	],
	[
		"clients that speak plain text to a strict server",
		[pod, service(), peer("a", "STRICT"), destination("DISABLE")],
		"IST0113 warning DestinationRule default/d spec.trafficPolicy.tls: port 80 of Service default/web takes mutual TLS of the mesh only",
	],
	[
		"clients that speak TLS of their own to a strict server",
		[pod, service(), peer("a", "STRICT", "", "root"), "MeshConfig root/m {rootNamespace: root}", destination("SIMPLE")],
		"IST0113 warning DestinationRule default/d spec.trafficPolicy.tls: port 80 of Service default/web takes mutual TLS",
	],
	[
		"clients that speak mutual TLS where it is off",
		[pod, service(), peer("a", "DISABLE"), destination("ISTIO_MUTUAL")],
		"IST0113 warning DestinationRule default/d spec.trafficPolicy.tls: port 80 of Service default/web takes plain text only, and clients with mode ISTIO_MUTUAL fail (PeerAuthentication default/a)",
	],
	[
		"a port that is open again",
		[
			pod,
			service(),
			peer("a", "STRICT", `, ${web}, portLevelMtls: {8080: {mode: PERMISSIVE}}`),
			destination("DISABLE"),
		],
	],
	[
		"a port that is closed by its named target",
		[
			pod,
			service(),
			peer("a", "PERMISSIVE", `, ${web}, portLevelMtls: {8080: {mode: STRICT}}`),
			destination("DISABLE"),
		],
		"IST0113 warning DestinationRule default/d spec.trafficPolicy.tls: ",
	],
	[
		"settings of one port",
		[
			pod,
			service(),
			peer("a", "STRICT"),
			destination("ISTIO_MUTUAL", ", portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}]"),
		],
		"IST0113 warning DestinationRule default/d spec.trafficPolicy.portLevelSettings[0].tls: ",
	],
	[
		"settings of one subset",
		[
			pod,
			"Pod default/web2 {containers: []}",
			service("{port: 80, name: http, targetPort: 8080}"),
			peer("a", "STRICT", ", selector: {matchLabels: {version: v2}}"),
			"DestinationRule default/d {host: web, subsets: [{name: v1, labels: {version: v1}, trafficPolicy: {tls: {mode: DISABLE}}}, {name: v2, labels: {version: v2}, trafficPolicy: {tls: {mode: DISABLE}}}]}",
		],
		"IST0113 warning DestinationRule default/d spec.subsets[1].trafficPolicy.tls: ",
	],
	[
		"servers of which only some are strict",
		[
			pod,
			"Pod default/web2 {containers: []}",
			service("{port: 80, name: http}"),
			peer("a", "STRICT", ", selector: {matchLabels: {version: v2}}"),
			destination("DISABLE"),
		],
	],
];

const http = "{to: [{operation: {methods: [GET]}}]}";

const policies: readonly ReferenceCase[] = [
	["a provider", [mesh("{name: auth, envoyExtAuthzGrpc: {service: a.b, port: 80}}"), policy(custom)]],
	[
		"a provider that does not exist",
		[mesh("{name: oauth, envoyExtAuthzGrpc: {service: a.b, port: 80}}"), policy(custom)],
		"IST0101 error AuthorizationPolicy default/p spec.provider.name: MeshConfig has no extension provider auth",
	],
	[
		"a provider without MeshConfig",
		[policy(custom)],
		"IST0101 error AuthorizationPolicy default/p spec.provider.name: ",
	],
	["HTTP rules on HTTP ports", [pod, service(), policy(`rules: [${http}]`)]],
	[
		"an ALLOW policy that no connection to a database meets",
		[pod, mysql, policy(`rules: [${http}]`)],
		"IST0167 warning AuthorizationPolicy default/p spec.rules: no rule is ever met on port 3306 of Service default/web",
	],
	[
		"an ALLOW policy with a rule for the database",
		[pod, mysql, policy(`rules: [${http}, {to: [{operation: {ports: ["3306"]}}]}]`)],
	],
	[
		"a DENY policy that every connection to a database meets",
		[pod, mysql, policy(`action: DENY, rules: [{}, ${http}]`)],
		"IST0167 warning AuthorizationPolicy default/p spec.rules[1]: on port 3306 of Service default/web (plain bytes) the HTTP fields are left out",
	],
	[
		"a DENY policy for the HTTP port",
		[pod, mysql, policy('action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ["8080"]}}]}]')],
	],
	[
		"a DENY policy but for the database",
		[pod, mysql, policy('action: DENY, rules: [{to: [{operation: {methods: [GET], notPorts: ["3306"]}}]}]')],
	],
	[
		"a DENY policy with the port as a condition",
		[
			pod,
			mysql,
			policy(
				`action: DENY, rules: [{to: [{operation: {methods: [GET]}}], when: [{key: destination.port, values: ["8080"]}]}]`,
			),
		],
	],
	[
		"a DENY policy with two operations, one without port",
		[
			pod,
			mysql,
			policy(
				'action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ["8080"]}}, {operation: {paths: [/a]}}]}]',
			),
		],
		"IST0167 warning AuthorizationPolicy default/p spec.rules[0]: ",
	],
	[
		"a policy for other workloads",
		[
			pod,
			mysql,
			"Pod default/other {containers: []}",
			policy(`selector: {matchLabels: {app: other}}, rules: [${http}]`),
		],
	],
	[
		"a policy of the root namespace",
		[pod, mysql, policy(`rules: [${http}]`, "root"), "MeshConfig root/m {rootNamespace: root}"],
		"IST0167 warning AuthorizationPolicy root/p spec.rules: ",
	],
	[
		"a gateway's ports, behind which requests are seen",
		[
			"Pod default/gw {containers: []}",
			"Service default/gw {selector: {app: gw}, ports: [{port: 443, name: https}]}",
			'Gateway default/gw {selector: {app: gw}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}',
			policy(`rules: [${http}]`),
		],
	],
	["identities where mutual TLS may be", [pod, peer("a", "PERMISSIVE"), policy(`rules: [${rule("namespaces: [a]")}]`)]],
	[
		"identities where mutual TLS is off",
		[
			pod,
			service(),
			peer("a", "DISABLE"),
			policy(`rules: [${rule("ipBlocks: [10.0.0.0/8]")}, ${rule("namespaces: [a]")}]`),
		],
		"IST0167 warning AuthorizationPolicy default/p spec.rules[1]: is never met on web: PeerAuthentication default/a turns mutual TLS off there",
	],
	[
		"a condition on identities where mutual TLS is off",
		[
			pod,
			peer("a", "DISABLE"),
			policy("action: DENY, rules: [{when: [{key: source.principal, values: [cluster.local/ns/a/sa/b]}]}]"),
		],
		"IST0167 warning AuthorizationPolicy default/p spec.rules[0]: is never met on web",
	],
	[
		"identities where one port has mutual TLS",
		[
			pod,
			mysql,
			peer("a", "DISABLE", `, ${web}, portLevelMtls: {8080: {mode: STRICT}}`),
			policy(`rules: [${rule("namespaces: [a]")}]`),
		],
	],
	[
		"identities as one choice of two",
		[
			pod,
			peer("a", "DISABLE"),
			policy("rules: [{from: [{source: {namespaces: [a]}}, {source: {ipBlocks: [10.0.0.0/8]}}]}]"),
		],
	],
	["identities that are excluded only", [pod, peer("a", "DISABLE"), policy(`rules: [${rule("notNamespaces: [a]")}]`)]],
	[
		"tokens that nobody verifies",
		[
			pod,
			"RequestAuthentication prod/r {jwtRules: [{issuer: https://i.example}]}",
			policy(`rules: [${rule('requestPrincipals: ["*"]')}]`),
		],
		"IST0167 warning AuthorizationPolicy default/p spec.rules[0]: is never met on web: no RequestAuthentication verifies tokens there",
	],
	[
		"tokens that are verified",
		[
			pod,
			`RequestAuthentication default/r {${web}, jwtRules: [{issuer: https://i.example}]}`,
			policy(`rules: [${rule('requestPrincipals: ["*"]')}]`),
		],
	],
	[
		"requests without token that are denied",
		[
			pod,
			policy(
				`action: DENY, rules: [{from: [{source: {notRequestPrincipals: ["*"]}}], to: [{operation: {ports: ["8080"]}}]}]`,
			),
		],
	],
];

const edge = [
	"Pod default/gw {containers: []}",
	service(),
	'Gateway default/g {selector: {app: gw}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}',
	'VirtualService default/v {hosts: ["*"], gateways: [g], http: [{match: [{uri: {prefix: /a}}, {headers: {"@request.auth.claims.group": {exact: a}}}], route: [{destination: {host: web}}]}]}',
];

const claims: readonly ReferenceCase[] = [
	[
		"claims that no gateway knows",
		edge,
		"IST0149 warning VirtualService default/v spec.http[0].match[1]: is never met: no RequestAuthentication verifies tokens on gw",
	],
	[
		"claims of tokens that the gateway verifies",
		[
			...edge,
			"RequestAuthentication default/r {selector: {matchLabels: {app: gw}}, jwtRules: [{issuer: https://a.example}]}",
		],
	],
	["claims where it is not known what runs the Gateway", edge.slice(1)],
];

const shop = "Namespace default/shop {}";

const clients: readonly ReferenceCase[] = [
	[
		"namespaces of clients",
		[
			shop,
			"Service prod/a {ports: [{port: 80, name: http}]}",
			policy(`rules: [${rule("namespaces: [shop, prod, default]")}]`),
		],
	],
	["namespaces where none are known", [policy(`rules: [${rule("namespaces: [shpo]")}]`)]],
	["patterns of namespaces", [shop, policy(`rules: [${rule('namespaces: ["team-*"], principals: ["*/ns/x/sa/y"]')}]`)]],
	[
		"a namespace that does not exist",
		[shop, policy(`rules: [${rule("namespaces: [shop, shpo]")}]`)],
		"IST0101 warning AuthorizationPolicy default/p spec.rules[0].from[0].source.namespaces[1]: there is no namespace shpo",
	],
	[
		"principals and accounts of namespaces that do not exist",
		[
			shop,
			policy(
				`rules: [${rule("principals: [cluster.local/ns/x/sa/a]")}, ${rule("serviceAccounts: [a, y/b]")}, {when: [{key: source.namespace, values: [z]}]}]`,
			),
		],
		"IST0101 warning AuthorizationPolicy default/p spec.rules[0].from[0].source.principals[0]: there is no namespace x",
		"IST0101 warning AuthorizationPolicy default/p spec.rules[1].from[0].source.serviceAccounts[1]: there is no namespace y",
		"IST0101 warning AuthorizationPolicy default/p spec.rules[2].when[0].values[0]: there is no namespace z",
	],
];

describe("clients of AuthorizationPolicies", () => testReferences(clients));
describe("routes by claims", () => testReferences(claims));
describe("PeerAuthentications beside each other", () => testReferences(peers));
describe("PeerAuthentication and DestinationRule", () => testReferences(conflicts));
describe("AuthorizationPolicies and what they guard", () => testReferences(policies));

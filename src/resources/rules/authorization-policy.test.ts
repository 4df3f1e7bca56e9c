import { describeRules, type RuleCase } from "./rules.testing.ts";

const source = (fields: string): string => `rules: [{from: [{source: {${fields}}}]}]`;
const operation = (fields: string): string => `rules: [{to: [{operation: {${fields}}}]}]`;
const when = (fields: string): string => `rules: [{when: [{${fields}}]}]`;
const path = (text: string): string => operation(`paths: ["${text}"]`);
const at = "spec.rules[0].from[0].source";
const to = "spec.rules[0].to[0].operation";
const on = "spec.rules[0].when[0]";

const cases: readonly RuleCase[] = [
	["a policy that allows nothing", "{}"],
	["a policy that allows everything", "rules: [{}]"],
	["an empty list of rules", "rules: []"],
	[
		"rules of every part",
		"action: DENY\nrules: [{from: [{source: {namespaces: [a]}}], to: [{operation: {ports: ['80']}}]}]",
	],
	["DENY without rules", "action: DENY", "error spec.rules: DENY without rules never takes effect"],
	["AUDIT without rules", "action: AUDIT"],
	["an action in small letters", "action: deny", "error spec.action: must be one of ALLOW, DENY, AUDIT, CUSTOM, found"],
	["CUSTOM", "action: CUSTOM\nprovider: {name: p}\nrules: [{}]"],
	[
		"CUSTOM without provider",
		"action: CUSTOM\nrules: [{}]",
		"error spec.provider: CUSTOM needs the name of a provider",
	],
	["CUSTOM without a name", "action: CUSTOM\nprovider: {name: ''}\nrules: [{}]", "error spec.provider: "],
	["CUSTOM without rules", "action: CUSTOM\nprovider: {name: p}", "error spec.rules: CUSTOM without rules"],
	["a provider with ALLOW", "provider: {name: p}\nrules: [{}]", "error spec.provider: a provider has no meaning"],
	[
		"identities with CUSTOM",
		"action: CUSTOM\nprovider: {name: p}\nrules: [{from: [{source: {namespaces: [a], ipBlocks: [10.0.0.1]}}]}]",
		`error ${at}.namespaces: namespaces is not supported with action CUSTOM`,
	],
	[
		"claims with CUSTOM",
		"action: CUSTOM\nprovider: {name: p}\nrules: [{when: [{key: 'request.auth.claims[a]', values: [b]}]}]",
		`error ${on}.key: request.auth.claims[a] is not supported with action CUSTOM`,
	],
	[
		"headers with CUSTOM",
		"action: CUSTOM\nprovider: {name: p}\nrules: [{when: [{key: 'request.headers[a]', values: [b]}, {key: source.ip, values: [10.0.0.1]}]}]",
	],

	["an empty from", "rules: [{from: []}]", "error spec.rules[0].from: is empty"],
	["an empty to", "rules: [{to: []}]", "error spec.rules[0].to: is empty"],
	["an empty when", "rules: [{when: []}]"],
	["no source", "rules: [{from: [{}]}]", `error ${at}: has no entries`],
	["an empty source", source(""), `error ${at}: has no entries`],
	["a source of empty lists", source("principals: []"), `error ${at}: has no entries`],
	["an empty operation", operation(""), `error ${to}: has no entries`],
	["a field that does not exist", source("principal: [a]"), `error ${at}.principal: there is no field principal here`],
	["one text in place of a list", source("principals: a"), `error ${at}.principals: must be a list`],

	["principals", source("principals: [cluster.local/ns/a/sa/b, '*', '*/ns/a/sa/b', 'cluster.local/ns/a/*']")],
	["an empty principal", source("principals: ['']"), `error ${at}.principals[0]: is an empty text`],
	[
		"a principal as a URI",
		source("principals: ['spiffe://cluster.local/ns/a/sa/b']"),
		`warning ${at}.principals[0]: "spiffe://cluster.local/ns/a/sa/b" never matches: principals stand without spiffe://`,
	],
	["a bare name as principal", source("principals: [b]"), `warning ${at}.principals[0]: "b" never matches`],
	["two wildcards", source("principals: ['*/sa/*']"), `warning ${at}.principals[0]: "*/sa/*" never matches as meant`],
	[
		"principals of tokens",
		source("requestPrincipals: ['*', 'https://i/s', 'https://i/*', '*/s'], notRequestPrincipals: [a/b]"),
	],
	["a subject alone", source("requestPrincipals: [s]"), `warning ${at}.requestPrincipals[0]: "s" never matches`],
	["namespaces", source("namespaces: [a, 'a-*', '*-b', '*'], notNamespaces: [c]")],
	["a namespace that cannot be", source("namespaces: [a_b]"), `warning ${at}.namespaces[0]: `],
	["service accounts", source("serviceAccounts: [a, b/c], notServiceAccounts: [d]")],
	[
		"a wildcard service account",
		source("serviceAccounts: ['a/*']"),
		`error ${at}.serviceAccounts[0]: must be a service account`,
	],
	["a service account of three parts", source("serviceAccounts: [a/b/c]"), `error ${at}.serviceAccounts[0]: `],
	[
		"service accounts with namespaces",
		source("serviceAccounts: [a], notNamespaces: [b]"),
		`error ${at}.serviceAccounts: serviceAccounts and notNamespaces exclude each other`,
	],
	[
		"more than 16 service accounts",
		source(`serviceAccounts: [${Array(17).fill("a")}]`),
		`error ${at}.serviceAccounts: has 17 entries`,
	],
	["trust domains", source("trustDomains: [td1, '*.example.com'], notTrustDomains: [td2]")],
	["addresses", source("ipBlocks: [10.0.0.1, 10.0.0.0/8, '2001:db8::/32'], notIpBlocks: ['::1']")],
	["a range too wide", source("ipBlocks: [10.0.0.0/33]"), `error ${at}.ipBlocks[0]: must be an address or a range`],
	["a name as address", source("remoteIpBlocks: [localhost]"), `error ${at}.remoteIpBlocks[0]: `],
	["an address with a hole", source("notRemoteIpBlocks: [10.0.1]"), `error ${at}.notRemoteIpBlocks[0]: `],

	["ports", operation("ports: ['80', '0', '65535']")],
	["a port as a number", operation("ports: [80]"), `error ${to}.ports[0]: must be a text, found 80`],
	["a port too high", operation("notPorts: ['65536']"), `error ${to}.notPorts[0]: must be a port number`],
	["a range of ports", operation("ports: ['80-90']"), `error ${to}.ports[0]: must be a port number`],
	["hosts", operation("hosts: [a.com, '*.a.com', 'a.*', '*'], notHosts: ['b.com:8080']")],
	["an empty host", operation("hosts: ['']"), `error ${to}.hosts[0]: is an empty text`],
	["methods", operation("methods: [GET, '*', 'P*'], notMethods: [DELETE]")],
	["a method in small letters", operation("methods: [get]"), `warning ${to}.methods[0]: "get" never matches`],
	["an empty method", operation("methods: ['']"), `error ${to}.methods[0]: is an empty text`],

	["paths", operation("paths: [/a, '/a/*', '*/b', '*', '/pkg.Svc/Method'], notPaths: [/c]")],
	["an empty path", path(""), `error ${to}.paths[0]: is an empty text`],
	["a path without /", path("api/*"), `warning ${to}.paths[0]: "api/*" never matches: every path begins with /`],
	["a path with a query", path("/a?b=c"), `warning ${to}.paths[0]: "/a?b=c" never matches: paths are compared without`],
	["a * in the middle", path("/a/*/b"), `warning ${to}.paths[0]: "/a/*/b" is compared letter by letter: a * counts`],
	["a name in braces", path("/a/{id}/b"), `warning ${to}.paths[0]: "/a/{id}/b" is compared letter by letter: { and }`],
	[
		"templates",
		operation("paths: ['/{*}', '/a/{*}/b', '/a/{*}/b/{**}', '/{**}', '/{**}/b', '/a/{*}/'], notPaths: ['/x/{*}']"),
	],
	["a template with a named part", path("/a/{*}/{id}"), `error ${to}.paths[0]: "/a/{*}/{id}" is not a path template: `],
	["a template with a bound part", path("/a/{*}/{id=*}"), `error ${to}.paths[0]: `],
	["a template with a *", path("/{*}/b/*"), `error ${to}.paths[0]: "/{*}/b/*" is not a path template: *, { and }`],
	["a template with a * at the end", path("/{*}/b*"), `error ${to}.paths[0]: `],
	[
		"a template that shares its segment",
		path("/a/b-{*}"),
		`error ${to}.paths[0]: "/a/b-{*}" is not a path template: {*} and`,
	],
	[
		"a segment after the rest",
		path("/{**}/{*}"),
		`error ${to}.paths[0]: "/{**}/{*}" is not a path template: nothing with`,
	],
	["the rest twice", path("/{**}/a/{**}"), `error ${to}.paths[0]: `],
	["a template without /", path("{*}/a"), `error ${to}.paths[0]: "{*}/a" is not a path template: it does not begin`],
	["a template with an empty segment", path("/{*}//a"), `error ${to}.paths[0]: `],
	["a template with a blank", path("/a b/{*}"), `error ${to}.paths[0]: "/a b/{*}" is not a path template: "a b" holds`],
	["a template in notPaths", operation("notPaths: ['/{*}/*']"), `error ${to}.notPaths[0]: `],

	["values", when("key: source.ip, values: [10.0.0.0/8], notValues: [10.0.0.1]")],
	["no values", when("key: source.ip"), `error ${on}: source.ip has no values`],
	["empty values", when("key: source.ip, values: []"), `error ${on}: source.ip has no values`],
	["an empty value", when("key: source.namespace, values: ['']"), `error ${on}.values[0]: is an empty text`],
	[
		"an address that is none",
		when("key: destination.ip, notValues: [a]"),
		`error ${on}.notValues[0]: must be an address`,
	],
	["a port that is none", when("key: destination.port, values: ['http']"), `error ${on}.values[0]: must be a port`],
	["an empty key", when("key: '', values: [a]"), `error ${on}.key: the key is empty`],
	["no key", when("values: [a]"), `error ${on}.key: key is missing`],
	[
		"a misspelt key",
		when("key: source.namespaces, values: [a]"),
		`error ${on}.key: there is no key "source.namespaces"`,
	],
	["a key of the prototype", when("key: constructor, values: [a]"), `error ${on}.key: there is no key "constructor"`],
	[
		"a header without name",
		when("key: 'request.headers[]', values: [a]"),
		`error ${on}.key: "request.headers[]" does not name`,
	],
	[
		"a header without brackets",
		when("key: request.headers, values: [a]"),
		`error ${on}.key: "request.headers" does not name`,
	],
	["a claim inside a claim", when("key: 'request.auth.claims[a][b]', values: [c]")],
	["a claim after a dot", when("key: request.auth.claims.a, values: [c]"), `error ${on}.key: there is no key`],
	[
		"a former key",
		when("key: 'destination.labels[app]', values: [a]"),
		`error ${on}.key: destination.labels[app] is not a key any more`,
	],
	...[
		"source.ip:10.0.0.1",
		"remote.ip:10.0.0.0/8",
		"source.namespace:a",
		"source.principal:cluster.local/ns/a/sa/b",
		"source.serviceAccount:a/b",
		"source.trustDomain:td",
		"request.auth.principal:i/s",
		"request.auth.audiences:a",
		"request.auth.presenter:a",
		"request.auth.claims[iss]:a",
		"request.headers[x-user]:a",
		"destination.ip:10.0.0.1",
		"destination.port:80",
		"connection.sni:www.example.com",
	].map((text): RuleCase => {
		const [key = "", value = ""] = text.split(":");
		return [`the key ${key}`, when(`key: '${key}', values: ['${value}']`)];
	}),

	["a selector", "selector: {matchLabels: {app: a}}"],
	["a target", "targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: a}]"],
	["a Gateway of Istio as target", "targetRefs: [{kind: Gateway, group: networking.istio.io, name: a}]"],
	[
		"a Service as target",
		"targetRef: {kind: Service, name: a}",
		"warning spec.targetRef: a policy for a Service guards",
	],
	[
		"a Gateway of no group",
		"targetRefs: [{kind: Gateway, name: a}]",
		"error spec.targetRefs[0].group: there is no Gateway",
	],
	[
		"a selector and a target",
		"selector: {matchLabels: {app: a}}\ntargetRefs: [{kind: Service, group: core, name: a}]",
		"error spec: selector and targetRefs exclude each other",
		"warning spec.targetRefs[0]: ",
	],
	[
		"a target of another namespace",
		"targetRefs: [{kind: Service, name: a, namespace: b}]",
		"warning spec.targetRefs[0]: ",
		"error spec.targetRefs[0].namespace: a policy is attached to things of its own namespace only",
	],
	[
		"a target without name",
		"targetRef: {kind: Service, name: ''}",
		"error spec.targetRef.name: the name is empty",
		"warning spec.targetRef: ",
	],
	[
		"a Deployment as target",
		"targetRef: {kind: Deployment, group: apps, name: a}",
		"error spec.targetRef.kind: must be one of",
	],
];

describeRules("AuthorizationPolicy", cases);

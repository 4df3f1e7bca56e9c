import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { describeRules, problemsOfSpec, type RuleCase } from "./rules.testing.ts";

/** A VirtualService for reviews with one HTTP route, which has these fields too. */
const route = (fields: string): string =>
	`hosts: [reviews]\nhttp:\n- route: [{destination: {host: reviews}}]\n${fields.replace(/^(?=.)/gm, "  ")}`;
/** The same without a destination. */
const bare = (fields: string): string => `hosts: [reviews]\nhttp:\n- name: x\n${fields.replace(/^(?=.)/gm, "  ")}`;
const match = (fields: string): string => route(`match:\n- ${fields}`);
const to = (host: string): string => `http: [{route: [{destination: {host: ${host}}}]}]`;

const cases: readonly RuleCase[] = [
	["a host name", `hosts: [reviews.default.svc.cluster.local]\n${to("reviews")}`],
	["a wildcard host", `hosts: ["*.example.com"]\n${to("reviews")}`],
	["an address as a host", `hosts: [10.1.2.3]\n${to("reviews")}`],
	[
		"a host with a bad part",
		`hosts: [a_b.com]\n${to("reviews")}`,
		'error spec.hosts[0]: "a_b.com" is not a valid host name',
	],
	["a host with a port", `hosts: ["a.com:80"]\n${to("reviews")}`, 'error spec.hosts[0]: "a.com:80" is not a valid'],
	["a host with letters of another script", `hosts: ["rеviews.com"]\n${to("reviews")}`, "error spec.hosts[0]: "],
	["a host with capitals", `hosts: [Reviews.com]\n${to("reviews")}`, "warning spec.hosts[0]: "],
	["a wildcard inside a host", `hosts: ["a.*.com"]\n${to("reviews")}`, "error spec.hosts[0]: "],
	["any host at the mesh", `hosts: ["*"]\n${to("reviews")}`, 'error spec.hosts[0]: "*" is not allowed for the mesh'],
	["any host at a gateway", `hosts: ["*"]\ngateways: [gw]\n${to("reviews")}`],
	[
		"any host at a gateway and the mesh",
		`hosts: ["*"]\ngateways: [gw, mesh]\n${to("reviews")}`,
		"error spec.hosts[0]: ",
	],
	["a host twice", `hosts: [a.com, a.com]\n${to("reviews")}`, "error spec.hosts[1]: "],
	["a host under a wildcard", `hosts: [a.com, "*.com"]\n${to("reviews")}`, "error spec.hosts[0]: "],
	["a gateway of another namespace", `hosts: [a.com]\ngateways: [istio-system/gw]\n${to("reviews")}`],
	["a bad gateway name", `hosts: [a.com]\ngateways: [a/b/c]\n${to("reviews")}`, "error spec.gateways[0]: "],
	[
		"the old form of a gateway's name",
		`hosts: [a.com]\ngateways: [gw.ns.svc.cluster.local]\n${to("reviews")}`,
		"warning spec.gateways[0]: ",
	],
	["no routes", "hosts: [a.com]", "error spec: has no routes"],
	[
		"exportTo of the own namespace twice",
		`hosts: [a.com]\nexportTo: [., ns]\n${to("reviews")}`,
		"error spec.exportTo[1]: ",
	],
	["exportTo everyone and some", `hosts: [a.com]\nexportTo: ["*", x]\n${to("reviews")}`, "error spec.exportTo: "],
	["exportTo nobody", `hosts: [a.com]\nexportTo: ["~"]\n${to("reviews")}`, "error spec.exportTo[0]: "],

	["a route that leads nowhere", bare("timeout: 1s"), "error spec.http[0]: leads nowhere"],
	["a redirect", bare("redirect: {uri: /new}")],
	[
		"a route and a redirect",
		route("redirect: {uri: /new}"),
		"error spec.http[0]: route and redirect exclude each other",
	],
	[
		"a redirect and a fault",
		bare("redirect: {uri: /new}\nfault: {abort: {httpStatus: 500}}"),
		"error spec.http[0].fault: ",
	],
	["a redirect to the same place", bare("redirect: {redirectCode: 301}"), "error spec.http[0].redirect: "],
	[
		"a redirect with a wrong code",
		bare("redirect: {uri: /, redirectCode: 200}"),
		"error spec.http[0].redirect.redirectCode: ",
	],
	[
		"a redirect with a rare code",
		bare("redirect: {uri: /, redirectCode: 305}"),
		"warning spec.http[0].redirect.redirectCode: ",
	],
	["a redirect to a wrong scheme", bare("redirect: {scheme: ftp}"), "error spec.http[0].redirect.scheme: "],
	[
		"a redirect with two ports",
		bare("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}"),
		"error spec.http[0].redirect: ",
	],
	["a direct response", bare("directResponse: {status: 503, body: {string: down}}")],
	[
		"a direct response without status",
		bare("directResponse: {body: {string: down}}"),
		"error spec.http[0].directResponse.status: ",
	],
	[
		"a direct response with two bodies",
		bare("directResponse: {status: 200, body: {string: a, bytes: YWJj}}"),
		"error spec.http[0].directResponse.body: ",
	],
	[
		"a direct response and a rewrite",
		bare("directResponse: {status: 200}\nrewrite: {uri: /}"),
		"error spec.http[0].rewrite: ",
	],
	["a delegate", bare("delegate: {name: b}")],
	["a delegate and a route", route("delegate: {name: b}"), "error spec.http[0]: route and delegate exclude each other"],
	["a VirtualService without hosts", to("reviews")],
	[
		"a delegate that delegates",
		"http: [{delegate: {name: b}}]",
		"error spec.http[0].delegate: a delegate cannot delegate again",
	],
	["a delegate with gateways", `gateways: [gw]\n${to("reviews")}`, "error spec.gateways: "],

	[
		"weights of any sum",
		"hosts: [a]\nhttp: [{route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 4}]}]",
	],
	[
		"weights of zero",
		"hosts: [a]\nhttp: [{route: [{destination: {host: a}}, {destination: {host: b}, weight: 0}]}]",
		"error spec.http[0].route: the weights add up to 0",
	],
	[
		"a negative weight",
		"hosts: [a]\nhttp: [{route: [{destination: {host: a}, weight: -1}]}]",
		"error spec.http[0].route[0].weight: must be a whole number from 0, found -1",
	],
	[
		"a route without destination",
		"hosts: [a]\nhttp: [{route: [{weight: 1}]}]",
		"error spec.http[0].route[0].destination: destination is missing",
	],
	["a destination of any host", `hosts: [a]\n${to('"*"')}`, "error spec.http[0].route[0].destination.host: "],
	[
		"a destination with port 0",
		"hosts: [a]\nhttp: [{route: [{destination: {host: a, port: {number: 0}}}]}]",
		"error spec.http[0].route[0].destination.port.number: ",
	],
	[
		"a destination with port 70000",
		"hosts: [a]\nhttp: [{route: [{destination: {host: a, port: {number: 70000}}}]}]",
		"error spec.http[0].route[0].destination.port.number: ",
	],
	[
		"a bad name of a subset",
		"hosts: [a]\nhttp: [{route: [{destination: {host: a, subset: v_1}}]}]",
		"error spec.http[0].route[0].destination.subset: ",
	],

	["a match by regular expression", match('uri: {regex: "/api/v[0-9]+(?:/.*)?"}')],
	[
		"look-ahead",
		match('uri: {regex: "/(?!admin).*"}'),
		"error spec.http[0].match[0].uri.regex: the regular expression uses look-ahead",
	],
	["an empty regular expression", match('uri: {regex: ""}'), "error spec.http[0].match[0].uri.regex: "],
	["an empty URI prefix", match('uri: {prefix: ""}')],
	["an empty method prefix", match('method: {prefix: ""}'), "error spec.http[0].match[0].method.prefix: "],
	[
		"a match of two kinds",
		match("uri: {exact: /a, prefix: /b}"),
		"error spec.http[0].match[0].uri: exact and prefix exclude each other",
	],
	["a header that is there", match("headers: {x-user: {}}")],
	["a header with no match at all", match("headers: {x-user: }"), 'error spec.http[0].match[0].headers["x-user"]: '],
	["a URI that matches nothing", match("uri: {}"), "error spec.http[0].match[0].uri: matches nothing"],
	["a bad header name", match('headers: {"x user": {exact: a}}'), 'error spec.http[0].match[0].headers["x user"]: '],
	["the old way to ask for a header's absence", match('withoutHeaders: {x-user: {regex: "*"}}')],
	[
		"a token's claim at the mesh",
		match('headers: {"@request.auth.claims.sub": {exact: a}}'),
		"error spec.http[0].match[0].headers",
	],
	...[
		"@request.auth.claims.sub",
		"@request.auth.claims.a.b",
		"@request.auth.claims[a][b.c]",
		"@Request.Auth.Claims.Sub",
	].map(
		(name): RuleCase => [
			`the claim ${name} at a gateway`,
			`hosts: ["*"]\ngateways: [gw]\nhttp: [{match: [{headers: {"${name}": {exact: a}}}], route: [{destination: {host: a}}]}]`,
		],
	),
	...["@request.auth.claims", "@request.auth.claims.", "@request.auth.claims[a", "@request.auth.principal"].map(
		(name): RuleCase => [
			`the claim ${name}, which is none, at a gateway`,
			`hosts: ["*"]\ngateways: [gw]\nhttp: [{match: [{headers: {"${name}": {exact: a}}}], route: [{destination: {host: a}}]}]`,
			`error spec.http[0].match[0].headers["${name}"]: `,
		],
	),
	["a bad namespace of clients", match("sourceNamespace: A_B"), "error spec.http[0].match[0].sourceNamespace: "],
	["a bad label of clients", match('sourceLabels: {app: "a b"}'), "error spec.http[0].match[0].sourceLabels.app: "],

	["retries", route('retries: {attempts: 3, perTryTimeout: 2s, retryOn: "5xx,connect-failure,503"}')],
	["no retries", route("retries: {attempts: 0}")],
	[
		"settings of retries that are off",
		route("retries: {attempts: 0, perTryTimeout: 2s}"),
		"error spec.http[0].retries.attempts: ",
	],
	[
		"an unknown retry condition",
		route("retries: {attempts: 3, retryOn: always}"),
		"error spec.http[0].retries.retryOn: ",
	],
	[
		"a retry condition after a space",
		route('retries: {attempts: 3, retryOn: "5xx, reset"}'),
		"error spec.http[0].retries.retryOn: ",
	],
	["a timeout", route("timeout: 1m30s")],
	["a timeout of 0", route("timeout: 0s"), "error spec.http[0].timeout: must be at least 1ms"],
	["a timeout without unit", route('timeout: "5"'), "error spec.http[0].timeout: is not a duration"],
	["a timeout as a number", route("timeout: 5"), "error spec.http[0].timeout: must be a duration, found 5"],
	["a timeout in microseconds", route("timeout: 1500us"), "error spec.http[0].timeout: must be a multiple of 1ms"],

	[
		"a fault",
		route(
			"fault: {delay: {fixedDelay: 5s, percentage: {value: 0.1}}, abort: {httpStatus: 500, percentage: {value: 10}}}",
		),
	],
	["a fault of nothing", route("fault: {}"), "error spec.http[0].fault: "],
	[
		"two kinds of abort",
		route("fault: {abort: {httpStatus: 500, grpcStatus: NOT_FOUND}}"),
		"error spec.http[0].fault.abort: ",
	],
	["an abort without status", route("fault: {abort: {percentage: {value: 1}}}"), "warning spec.http[0].fault.abort: "],
	["an abort by HTTP/2", route("fault: {abort: {http2Error: x}}"), "error spec.http[0].fault.abort.http2Error: "],
	[
		"an unknown gRPC status",
		route("fault: {abort: {grpcStatus: NOTFOUND}}"),
		"error spec.http[0].fault.abort.grpcStatus: ",
	],
	[
		"a fault for more than all",
		route("fault: {abort: {httpStatus: 500, percentage: {value: 101}}}"),
		"error spec.http[0].fault.abort.percentage.value: ",
	],
	[
		"a fault for hardly any",
		route("fault: {abort: {httpStatus: 500, percentage: {value: 0.00001}}}"),
		"error spec.http[0].fault.abort.percentage.value: ",
	],
	["a delay without time", route("fault: {delay: {percentage: {value: 1}}}"), "error spec.http[0].fault.delay: "],
	[
		"an exponential delay",
		route("fault: {delay: {exponentialDelay: 1s}}"),
		"error spec.http[0].fault.delay.exponentialDelay: ",
	],
	[
		"a delay by the old percent",
		route("fault: {delay: {fixedDelay: 1s, percent: 10}}"),
		"warning spec.http[0].fault.delay.percent: ",
	],

	["mirrors", route("mirrors: [{destination: {host: b}, percentage: {value: 50}}]")],
	[
		"mirror and mirrors",
		route("mirror: {host: b}\nmirrors: [{destination: {host: c}}]"),
		"error spec.http[0].mirrors: ",
	],
	["the old mirrorPercent", route("mirror: {host: b}\nmirrorPercent: 5"), "warning spec.http[0].mirrorPercent: "],
	["CORS", route('corsPolicy: {allowOrigins: [{exact: "*"}], allowMethods: [GET], allowHeaders: ["*"], maxAge: 24h}')],
	[
		"an empty origin",
		route('corsPolicy: {allowOrigins: [{exact: ""}]}'),
		"error spec.http[0].corsPolicy.allowOrigins[0].exact: ",
	],
	["an unknown method", route("corsPolicy: {allowMethods: [get]}"), "error spec.http[0].corsPolicy.allowMethods[0]: "],
	[
		"a bad CORS header",
		route('corsPolicy: {exposeHeaders: ["a b"]}'),
		"error spec.http[0].corsPolicy.exposeHeaders[0]: ",
	],
	["a maxAge in milliseconds", route("corsPolicy: {maxAge: 1500ms}"), "error spec.http[0].corsPolicy.maxAge: "],
	["a rewrite", route("rewrite: {uri: /, authority: b.com}")],
	["a rewrite of nothing", route("rewrite: {}"), "error spec.http[0].rewrite: rewrites nothing"],
	[
		"two rewrites of the path",
		route("rewrite: {uri: /, uriRegexRewrite: {match: a, rewrite: b}}"),
		"error spec.http[0].rewrite: ",
	],
	[
		"half a rewrite by regular expression",
		route("rewrite: {uriRegexRewrite: {match: a}}"),
		"error spec.http[0].rewrite.uriRegexRewrite: ",
	],
	[
		"a rewrite with a back-reference in the pattern",
		route('rewrite: {uriRegexRewrite: {match: "(a)\\\\1", rewrite: b}}'),
		"error spec.http[0].rewrite.uriRegexRewrite.match: ",
	],
	[
		"the host name set twice",
		route("rewrite: {authority: a.com}\nheaders: {request: {set: {Host: b.com}}}"),
		"error spec.http[0]: sets the host name more than once",
	],
	[
		"header operations",
		route('headers: {request: {set: {x-a: "100%%", x-b: "%REQ(:path)%"}}, response: {remove: [server]}}'),
	],
	[
		"a lone percent sign",
		route("headers: {request: {set: {x-a: 100%}}}"),
		'error spec.http[0].headers.request.set["x-a"]: ',
	],
	[
		"a change of the path by header",
		route('headers: {request: {set: {":path": /}}}'),
		'error spec.http[0].headers.request.set[":path"]: ',
	],
	[
		"Host in a response",
		route("headers: {response: {set: {Host: a}}}"),
		"error spec.http[0].headers.response.set.Host: ",
	],
	[
		"statPrefix",
		match("uri: {prefix: /}\n    statPrefix: x").replace("    statPrefix", "  statPrefix"),
		"warning spec.http[0].match[0].statPrefix: statPrefix is accepted but has no effect yet",
	],

	["TLS by SNI", "hosts: [a.com]\ntls: [{match: [{sniHosts: [a.com]}], route: [{destination: {host: a}}]}]"],
	[
		"SNI under a wildcard",
		'hosts: ["*.com"]\ntls: [{match: [{sniHosts: [b.a.com]}], route: [{destination: {host: a}}]}]',
	],
	[
		"SNI outside the hosts",
		"hosts: [a.com]\ntls: [{match: [{sniHosts: [b.com]}], route: [{destination: {host: a}}]}]",
		"error spec.tls[0].match[0].sniHosts[0]: ",
	],
	[
		"TLS without match",
		"hosts: [a.com]\ntls: [{match: [], route: [{destination: {host: a}}]}]",
		"error spec.tls[0].match: ",
	],
	[
		"TLS without SNI",
		"hosts: [a.com]\ntls: [{match: [{port: 443}], route: [{destination: {host: a}}]}]",
		"error spec.tls[0].match[0].sniHosts: ",
	],
	[
		"TCP",
		"hosts: [a.com]\ntcp: [{match: [{port: 27017, destinationSubnets: [10.0.0.0/8]}], route: [{destination: {host: a}}]}]",
	],
	["TCP to nowhere", "hosts: [a.com]\ntcp: [{match: [{port: 27017}]}]", "error spec.tcp[0]: leads nowhere"],
	[
		"a bad block of addresses",
		"hosts: [a.com]\ntcp: [{match: [{destinationSubnets: [10.0.0.0/33]}], route: [{destination: {host: a}}]}]",
		"error spec.tcp[0].match[0].destinationSubnets[0]: ",
	],

	[
		"a route behind one without match",
		"hosts: [a]\nhttp: [{route: [{destination: {host: a}}]}, {match: [{uri: {prefix: /b}}], route: [{destination: {host: a}}]}]",
		"warning spec.http[1]: is never used",
	],
	[
		"the same match twice",
		"hosts: [a]\nhttp: [{match: [{uri: {exact: /b}}], route: [{destination: {host: a}}]}, {match: [{uri: {exact: /b}, name: x}], route: [{destination: {host: a}}]}]",
		"warning spec.http[1].match[0]: ",
		"warning spec.http[1]: ",
	],
	[
		"a path behind a shorter prefix",
		"hosts: [a]\nhttp: [{match: [{uri: {prefix: /b}}], route: [{destination: {host: a}}]}, {match: [{uri: {prefix: /b/c}}], route: [{destination: {host: a}}]}]",
		"warning spec.http[1].match[0]: ",
	],
	[
		"a path behind a prefix for fewer requests",
		"hosts: [a]\nhttp: [{match: [{uri: {prefix: /b}, method: {exact: GET}}], route: [{destination: {host: a}}]}, {match: [{uri: {prefix: /b/c}}], route: [{destination: {host: a}}]}]",
	],
	[
		"a path before its prefix",
		"hosts: [a]\nhttp: [{match: [{uri: {prefix: /b/c}}], route: [{destination: {host: a}}]}, {match: [{uri: {prefix: /b}}], route: [{destination: {host: a}}]}]",
	],

	["a misspelt field", bare("rout: []"), "error spec.http[0].rout: there is no field rout here"],
	["a list that is none", "hosts: a.com\nhttp: []", 'error spec.hosts: must be a list, found "a.com"'],
	["an empty entry", "hosts: [a]\nhttp:\n-\n", "error spec.http[0]: must not be empty"],
	["a field left empty", `hosts: [a.com]\ngateways:\n${to("reviews")}`],
];

describeRules("VirtualService", cases);

describe("rules of many routes", () => {
	it("take linear time", () => {
		const routes = Array.from(
			{ length: 10_000 },
			(_, index) => `{match: [{uri: {prefix: /p${index}/}}], route: [{destination: {host: a}}]}`,
		);
		assert.deepEqual(problemsOfSpec("VirtualService", `hosts: [a]\nhttp: [${routes.join(",")}]`), []);
	});
});

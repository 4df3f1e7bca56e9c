// The policies of the matrix: each field of an AuthorizationPolicy at least once, alone and together with others.

export interface PolicyMatrixCase {
	readonly title: string;
	readonly policies: string;
}

const policy = (name: string, spec: string, namespace = "default"): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
---`;

export const policyMatrixCases: readonly PolicyMatrixCase[] = [
	{
		title: "ALLOW one principal, by its whole name",
		policies: policy("a", `{ rules: [{ from: [{ source: { principals: [cluster.local/ns/default/sa/reviews] } }] }] }`),
	},
	{
		title: "ALLOW principals by start, end and alias of the trust domain",
		policies: policy(
			"a",
			`{ rules: [{ from: [{ source: { principals: ["cluster.local/ns/prod/*", "*/sa/batch", old.example/ns/default/sa/jobs] } }] }] }`,
		),
	},
	{
		title: "ALLOW anybody with a certificate",
		policies: policy("a", `{ rules: [{ from: [{ source: { principals: ["*"] } }] }] }`),
	},
	{
		title: "ALLOW namespaces, but one account of them",
		policies: policy(
			"a",
			`{ rules: [{ from: [{ source: { namespaces: [prod, "team-*"], notPrincipals: [cluster.local/ns/prod/sa/x] } }] }] }`,
		),
	},
	{
		title: "DENY all that come from other namespaces",
		policies: policy("d", `{ action: DENY, rules: [{ from: [{ source: { notNamespaces: [default, prod] } }] }] }`),
	},
	{
		title: "ALLOW service accounts, of the policy's namespace and of another",
		policies: policy("a", `{ rules: [{ from: [{ source: { serviceAccounts: [reviews, prod/batch] } }] }] }`),
	},
	{
		title: "ALLOW methods and paths: whole, by start, by end",
		policies: policy(
			"a",
			`{ rules: [{ to: [{ operation: { methods: [GET, HEAD], paths: ["/info*", "*.html", /exact] } }] }] }`,
		),
	},
	{
		title: "DENY paths by template",
		policies: policy(
			"d",
			`{ action: DENY, rules: [{ to: [{ operation: { paths: ["/v1/{*}/secret", "/files/{**}"] } }] }] }`,
		),
	},
	{
		title: "ALLOW all paths but some",
		policies: policy(
			"a",
			`{ rules: [{ to: [{ operation: { notPaths: ["/admin*", /debug], notMethods: [DELETE] } }] }] }`,
		),
	},
	{
		title: "DENY on one port, ALLOW by principal elsewhere",
		policies:
			policy("d", `{ action: DENY, rules: [{ to: [{ operation: { ports: ["8081"] } }] }] }`) +
			policy("a", `{ rules: [{ from: [{ source: { principals: [cluster.local/ns/default/sa/reviews] } }] }] }`),
	},
	{
		title: "ALLOW hosts, in any case of letters",
		policies: policy("a", `{ rules: [{ to: [{ operation: { hosts: [Shop.example, "*.Api.example", "p.*"] } }] }] }`),
	},
	{
		title: "DENY by header",
		policies: policy(
			"d",
			`{ action: DENY, rules: [{ when: [{ key: "request.headers[X-Stage]", values: [canary, "beta*"] }] }] }`,
		),
	},
	{
		title: "ALLOW by the absence of a header value",
		policies: policy("a", `{ rules: [{ when: [{ key: "request.headers[x-stage]", notValues: [canary] }] }] }`),
	},
	{
		title: "ALLOW by claims, plain and in lists",
		policies: policy("a", `{ rules: [{ when: [{ key: "request.auth.claims[role]", values: [admin, "ops-*"] }] }] }`),
	},
	{
		title: "ALLOW by nested claims and by audience",
		policies: policy(
			"a",
			`{ rules: [{ when: [{ key: "request.auth.claims[realm][roles]", values: [writer] }] }, { when: [{ key: request.auth.audiences, values: [shop] }] }] }`,
		),
	},
	{
		title: "ALLOW request principals",
		policies: policy(
			"a",
			`{ rules: [{ from: [{ source: { requestPrincipals: ["https://issuer.example/anna", "https://issuer.example/ops*"] } }] }] }`,
		),
	},
	{
		title: "DENY everything that has no token, except the front page",
		policies: policy(
			"d",
			`{ action: DENY, rules: [{ from: [{ source: { notRequestPrincipals: ["*"] } }], to: [{ operation: { notPaths: [/, /health] } }] }] }`,
		),
	},
	{
		title: "ALLOW with all parts of a rule at once",
		policies: policy(
			"a",
			`{ rules: [{ from: [{ source: { namespaces: [prod], ipBlocks: [10.77.0.0/24] } }, { source: { principals: ["*/sa/reviews"] } }], to: [{ operation: { methods: [GET], paths: ["/a*"] } }, { operation: { ports: ["8081"] } }], when: [{ key: destination.ip, values: [10.77.0.2] }, { key: source.ip, notValues: [10.78.0.0/16] }] }] }`,
		),
	},
	{
		title: "DENY above ALLOW, in several policies of both namespaces",
		policies:
			policy("a", `{ rules: [{ from: [{ source: { principals: ["*"] } }] }] }`) +
			policy("b", `{ rules: [{ to: [{ operation: { paths: [/public] } }] }] }`) +
			policy("c", `{ action: DENY, rules: [{ to: [{ operation: { methods: [DELETE] } }] }] }`, "istio-system") +
			policy("d", `{ action: DENY, rules: [{ from: [{ source: { namespaces: [evil] } }] }] }`),
	},
	{
		title: "ALLOW by ranges that hold everything, less a few, in both families",
		policies: policy(
			"a",
			`{ rules: [{ from: [{ source: { ipBlocks: [0.0.0.0/0, "::/0"], notIpBlocks: ["::ffff:10.77.0.0/120"] } }], to: [{ operation: { paths: [/all] } }] }, { from: [{ source: { ipBlocks: ["0.0.0.0/0"], notIpBlocks: [10.77.0.0/30] } }] }, { from: [{ source: { ipBlocks: [10.77.0.3] } }], to: [{ operation: { paths: [/one] } }] }] }`,
		),
	},
	{
		title: "DENY by an address of version 4 in the clothes of version 6",
		policies:
			policy(
				"d",
				`{ action: DENY, rules: [{ from: [{ source: { ipBlocks: ["::ffff:10.77.0.3", "::ffff:0:0/96"] } }], to: [{ operation: { paths: [/six] } }] }] }`,
			) +
			policy(
				"e",
				`{ action: DENY, rules: [{ when: [{ key: source.ip, values: ["0.0.0.0/0"] }, { key: source.ip, notValues: ["::/0"] }], to: [{ operation: { paths: [/four] } }] }] }`,
			),
	},
	{
		title: "ALLOW with everything asked for and the same thing excluded",
		policies: policy(
			"a",
			`{ rules: [{ to: [{ operation: { methods: [GET], notMethods: [GET] } }] }, { from: [{ source: { principals: ["*", cluster.local/ns/team/sa/app], notPrincipals: ["*/sa/reviews"], notNamespaces: ["prod*"] } }], to: [{ operation: { paths: ["/*", /x/more], notPaths: ["/", "*/more"], notPorts: ["8081"] } }] }] }`,
		),
	},
	{
		title: "DENY with everything excluded at once",
		policies: policy(
			"d",
			`{ action: DENY, rules: [{ from: [{ source: { notPrincipals: ["*/sa/reviews"], notNamespaces: [prod], notIpBlocks: [10.99.0.0/16], notRequestPrincipals: ["https://issuer.example/root"] } }], to: [{ operation: { notMethods: [GET], notPaths: ["/free*"], notHosts: ["*.open"], notPorts: ["8081"] } }] }] }`,
		),
	},
	{
		title: "ALLOW header values with stars inside, in capitals, and any value",
		policies: policy(
			"a",
			`{ rules: [{ when: [{ key: "request.headers[X-ODD]", values: ["a*b", "A.B+(c)", "**"] }] }, { when: [{ key: "request.headers[X-Any]", values: ["*"] }, { key: "request.headers[x-odd]", notValues: ["*"] }] }] }`,
		),
	},
	{
		title: "DENY header values by start and end in any spelling of the name",
		policies: policy(
			"d",
			`{ action: DENY, rules: [{ when: [{ key: "request.headers[USER-agent]", values: ["*bot", "curl/*"], notValues: ["goodbot"] }] }] }`,
		),
	},
	{
		title: "ALLOW by claims whose names have dots, slashes and letters of other scripts",
		policies: policy(
			"a",
			`{ rules: [{ when: [{ key: "request.auth.claims[a.b]", values: [x] }] }, { when: [{ key: "request.auth.claims[https://shop.example/role][größe]", values: ["größer*", "日本"] }] }] }`,
		),
	},
	{
		title: "DENY claims that are anything, but what is excluded",
		policies: policy(
			"d",
			`{ action: DENY, rules: [{ when: [{ key: "request.auth.claims[group]", values: ["*"], notValues: [staff, "core-*"] }] }] }`,
		),
	},
	{
		title: "ALLOW long lists of principals and paths with the signs of patterns in them",
		policies: policy(
			"a",
			`{ rules: [{ from: [{ source: { principals: [${Array.from({ length: 30 }, (_, index) => `cluster.local/ns/n${index}/sa/s.${index}`).join(", ")}] } }] }, { to: [{ operation: { paths: [${Array.from({ length: 200 }, (_, index) => `"/p${index}.(x)+$y"`).join(", ")}, "/A/b", "*.(e)+"] } }] }] }`,
		),
	},
	{
		title: "DENY hosts with ports, dots at the end and addresses in brackets",
		policies: policy(
			"d",
			`{ action: DENY, rules: [{ to: [{ operation: { hosts: ["a.example", "b.example:80", "[fd00::1]", "*.c.example", "d.*"] } }] }] }`,
		),
	},
	{
		title: "ALLOW hosts but those of a list; on one port",
		policies: policy(
			"a",
			`{ rules: [{ to: [{ operation: { hosts: ["*"], notHosts: ["x.example", "x.example:*", "*.y.example"], ports: ["8080"], notMethods: [DELETE] } }] }] }`,
		),
	},
	{
		title: "DENY paths with colons, brackets and escapes, ALLOW all but such",
		policies:
			policy(
				"d",
				`{ action: DENY, rules: [{ to: [{ operation: { paths: ["/v1/t:delete", "/v1/t%3Adelete", "/u('1')*", "*.(x)", "/caf%C3%A9"] } }] }] }`,
			) +
			policy(
				"a",
				`{ rules: [{ to: [{ operation: { paths: ["/v1*", "/a$b"], notPaths: ["/v1/t%3Aget", "/v1/a+b"] } }] }] }`,
			),
	},
];

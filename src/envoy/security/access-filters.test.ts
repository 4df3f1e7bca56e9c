import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRegistry, toJson } from "@bufbuild/protobuf";
import { anyUnpack } from "@bufbuild/protobuf/wkt";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import type { AuthorizationPolicyView } from "../../model/security.ts";
import type { AuthorizationOperation, AuthorizationRule, AuthorizationSource } from "../../resources/kinds/security.ts";
import { RBACSchema as HttpRbacSchema } from "../gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts";
import { RBACSchema as TcpRbacSchema } from "../gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import { UriTemplateMatchConfigSchema } from "../gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.ts";
import { httpAccessFilters, tcpAccessFilters } from "./access-filters.ts";

type Action = AuthorizationPolicyView["action"];

function policy(
	rules: readonly AuthorizationRule[],
	action: Action = "ALLOW",
	fields: Partial<AuthorizationPolicyView> = {},
): AuthorizationPolicyView {
	const name = fields.name ?? "p";
	return { source: `AuthorizationPolicy/foo/${name}`, namespace: "foo", name, action, dryRun: false, rules, ...fields };
}

const registry = createRegistry(UriTemplateMatchConfigSchema);
const mesh = { ...defaultMeshSettings, trustDomain: "td", trustDomainAliases: ["old"] };

/** JSON of Envoy's messages. Lists are objects here as well: `valuesAt` finds what is in them. */
interface Json {
	readonly [name: string]: Json | undefined;
}

function filters(policies: readonly AuthorizationPolicyView[], protocol: "http" | "tcp" = "http"): readonly Json[] {
	const list = protocol === "http" ? httpAccessFilters(policies, mesh) : tcpAccessFilters(policies, mesh);
	const schema = protocol === "http" ? HttpRbacSchema : TcpRbacSchema;
	return list.map(({ configType }) => {
		const message = configType.case === "typedConfig" ? anyUnpack(configType.value, schema) : undefined;
		return (message ? toJson(schema, message, { registry }) : {}) as unknown as Json;
	});
}

function rulesOf(rule: AuthorizationRule, action: Action, protocol: "http" | "tcp" = "http"): Json | undefined {
	return filters([policy([rule], action)], protocol)[0]?.rules?.policies?.["ns[foo]-policy[p]-rule[0]"];
}

/** Only the names of identities that the source means, whether as alternatives or alone. */
function identities(source: AuthorizationSource, action: Action = "ALLOW"): readonly unknown[] {
	return valuesAt(rulesOf({ from: [{ source }] }, action)?.principals, "principalName");
}

function asked(operation: AuthorizationOperation, action: Action = "ALLOW"): Json | undefined {
	return rulesOf({ to: [{ operation }] }, action)?.permissions;
}

/** The values of all fields of that name, in order, but not what is inside of them. */
function valuesAt(json: unknown, key: string): readonly unknown[] {
	if (typeof json !== "object" || json === null) return [];
	return Object.entries(json).flatMap(([name, value]) => (name === key ? [value] : valuesAt(value, key)));
}

const exact = (text: string) => ({ exact: text });
const regex = (text: string) => ({ safeRegex: { regex: text } });

describe("RBAC filters", () => {
	it("audit, then deny, then allow, whatever order the policies have", () => {
		const actions = filters([policy([{}], "ALLOW"), policy([{}], "DENY"), policy([{}], "AUDIT")]).map(
			({ rules }) => rules?.action ?? "ALLOW",
		);
		assert.deepEqual(actions, ["LOG", "DENY", "ALLOW"]);
	});

	it("are none where no policy is", () => {
		assert.deepEqual(filters([]), []);
		assert.deepEqual(filters([], "tcp"), []);
	});

	it("name each rule after its policy, in Istio's form", () => {
		const [filter] = filters([policy([{}, {}]), policy([{}], "ALLOW", { name: "q", namespace: "bar" })]);
		const names = ["ns[foo]-policy[p]-rule[0]", "ns[foo]-policy[p]-rule[1]", "ns[bar]-policy[q]-rule[0]"];
		assert.deepEqual(Object.keys(filter?.rules?.policies ?? {}).toSorted(), names.toSorted());
	});

	it("match everything by a rule without parts, and nothing by no rule", () => {
		assert.deepEqual(rulesOf({}, "ALLOW"), {
			permissions: [{ andRules: { rules: [{ any: true }] } }],
			principals: [{ andIds: { ids: [{ any: true }] } }],
		});
		assert.deepEqual(filters([policy([])])[0]?.rules?.policies?.["ns[foo]-policy[p]-rule[0]"], {
			permissions: [{ notRule: { any: true } }],
			principals: [{ notId: { any: true } }],
		});
	});

	it("only shadow what a dry run says", () => {
		for (const [action, prefix] of [
			["ALLOW", "istio_dry_run_allow_"],
			["DENY", "istio_dry_run_deny_"],
		] as const) {
			const [filter] = filters([policy([{}], action, { dryRun: true })]);
			assert.deepEqual([filter?.rules, filter?.shadowRulesStatPrefix], [undefined, prefix]);
			assert.deepEqual(Object.keys(filter?.shadowRules?.policies ?? {}), ["ns[foo]-policy[p]-rule[0]"]);
		}
	});

	it("join entries of `from` and of `to` as alternatives, with all conditions in each", () => {
		const rule: AuthorizationRule = {
			from: [{ source: { ipBlocks: ["10.0.0.1"] } }, {}],
			to: [{ operation: { methods: ["GET"] } }, { operation: { ports: ["80"], notPorts: ["81"] } }],
			when: [
				{ key: "remote.ip", notValues: ["10.1.2.3/8"] },
				{ key: "destination.ip", values: ["10.0.0.2"] },
			],
		};
		const remote = { notId: { orIds: { ids: [{ remoteIp: { addressPrefix: "10.0.0.0", prefixLen: 8 } }] } } };
		const destination = { orRules: { rules: [{ destinationIp: { addressPrefix: "10.0.0.2", prefixLen: 32 } }] } };
		const direct = { orIds: { ids: [{ directRemoteIp: { addressPrefix: "10.0.0.1", prefixLen: 32 } }] } };
		const get = { orRules: { rules: [{ header: { name: ":method", stringMatch: exact("GET") } }] } };
		assert.deepEqual(rulesOf(rule, "ALLOW"), {
			principals: [{ andIds: { ids: [direct, remote] } }, { andIds: { ids: [remote] } }],
			permissions: [
				{ andRules: { rules: [get, destination] } },
				{
					andRules: {
						rules: [
							{ orRules: { rules: [{ destinationPort: 80 }] } },
							{ notRule: { orRules: { rules: [{ destinationPort: 81 }] } } },
							destination,
						],
					},
				},
			],
		});
	});
});

describe("a source of a rule", () => {
	it("is known by the URI of its certificate", () => {
		const table: readonly (readonly [AuthorizationSource, unknown, unknown])[] = [
			[{ principals: ["x/ns/a/sa/b"] }, exact("spiffe://x/ns/a/sa/b"), exact("spiffe://x/ns/a/sa/b")],
			[{ principals: ["x/ns/a/*"] }, { prefix: "spiffe://x/ns/a/" }, { prefix: "spiffe://x/ns/a/" }],
			[{ principals: ["*/sa/b"] }, regex("spiffe://\\C*\\/sa\\/b"), { suffix: "/sa/b" }],
			[{ principals: ["*"] }, regex("\\C+"), regex("\\C+")],
			[{ namespaces: ["a.b"] }, regex("spiffe://[^/]+/ns/a\\.b/sa/[^/]+"), { contains: "/ns/a.b/sa/" }],
			[{ namespaces: ["a*"] }, regex("spiffe://[^/]+/ns/a[^/]*/sa/[^/]+"), { contains: "/ns/a" }],
			[{ namespaces: ["*a"] }, regex("spiffe://[^/]+/ns/[^/]*a/sa/[^/]+"), { contains: "a/sa/" }],
			[{ namespaces: ["*"] }, regex("spiffe://[^/]+/ns/[^/]*/sa/[^/]+"), { contains: "/ns/" }],
			[{ serviceAccounts: ["b"] }, regex("spiffe://[^/]+/ns/foo\\/sa\\/b"), { suffix: "/ns/foo/sa/b" }],
			[{ serviceAccounts: ["a/b"] }, regex("spiffe://[^/]+/ns/a\\/sa\\/b"), { suffix: "/ns/a/sa/b" }],
			[{ trustDomains: ["x"] }, { prefix: "spiffe://x/" }, { prefix: "spiffe://x/" }],
			[{ trustDomains: ["x*"] }, { prefix: "spiffe://x" }, { prefix: "spiffe://x" }],
			[{ trustDomains: ["*"] }, { prefix: "spiffe://" }, { prefix: "spiffe://" }],
		];
		for (const [source, granted, refused] of table) {
			assert.deepEqual(identities(source, "ALLOW"), [granted], JSON.stringify(source));
			assert.deepEqual(identities(source, "DENY"), [refused], JSON.stringify(source));
		}
	});

	it("is matched wide where it must not be one, in a grant, and closely in a refusal", () => {
		assert.deepEqual(identities({ notNamespaces: ["a"] }, "ALLOW"), [{ contains: "/ns/a/sa/" }]);
		assert.deepEqual(identities({ notNamespaces: ["a"] }, "DENY"), [regex("spiffe://[^/]+/ns/a/sa/[^/]+")]);
	});

	it("may come from each name of the mesh's trust domain", () => {
		const both = [exact("spiffe://td/ns/a/sa/b"), exact("spiffe://old/ns/a/sa/b")];
		for (const trustDomain of ["td", "old", "cluster.local"]) {
			assert.deepEqual(identities({ principals: [`${trustDomain}/ns/a/sa/b`] }), both);
		}
		assert.deepEqual(identities({ principals: ["other/ns/a/sa/b"] }), [exact("spiffe://other/ns/a/sa/b")]);
		assert.deepEqual(identities({ trustDomains: ["old"] }), [{ prefix: "spiffe://td/" }, { prefix: "spiffe://old/" }]);
		assert.equal(identities({ principals: ["*/ns/a/sa/b"] }).length, 1);
		assert.deepEqual(identities({ principals: ["*d/ns/a/sa/b"] }), [regex("spiffe://\\C*d\\/ns\\/a\\/sa\\/b")]);
	});

	it("is a user by the issuer and the subject of a token", () => {
		const any = regex("\\C+");
		const table: readonly (readonly [string, unknown, unknown])[] = [
			["*", any, any],
			["https://i/s", exact("https://i"), exact("s")],
			["https://i/*", exact("https://i"), any],
			["https://i/s*", exact("https://i"), { prefix: "s" }],
			["*/s", any, exact("s")],
			["*.i/s", { suffix: ".i" }, exact("s")],
			["*s", any, { suffix: "s" }],
			["i*", { prefix: "i" }, any],
		];
		for (const [text, issuer, subject] of table) {
			const principals = rulesOf({ from: [{ source: { requestPrincipals: [text] } }] }, "ALLOW")?.principals;
			assert.deepEqual(valuesAt(principals, "stringMatch"), [issuer, subject], text);
			const keys = valuesAt(principals, "path");
			assert.deepEqual(keys, [
				[{ key: "payload" }, { key: "iss" }],
				[{ key: "payload" }, { key: "sub" }],
			]);
		}
	});
});

describe("an operation of a rule", () => {
	it("has methods and paths whole, by start, by end and of any sort", () => {
		const methods = asked({ methods: ["GET", "P*", "*T", "*"] });
		const name = ":method";
		assert.deepEqual(valuesAt(methods, "header"), [
			{ name, stringMatch: exact("GET") },
			{ name, stringMatch: { prefix: "P" } },
			{ name, stringMatch: { suffix: "T" } },
			{ name, presentMatch: true },
		]);
		const paths = valuesAt(asked({ paths: ["/a", "/a*", "*.html", "*"] }), "path");
		assert.deepEqual(paths, [exact("/a"), { prefix: "/a" }, { suffix: ".html" }, regex("\\C+")]);
	});

	it("opens by Envoy's path template, and closes by what lies between the slashes", () => {
		const paths = ["/a/{*}/b/{**}"];
		assert.deepEqual(valuesAt(asked({ paths }), "pathTemplate"), ["/a/*/b/**"]);
		assert.deepEqual(valuesAt(asked({ paths }, "DENY"), "path"), [regex("\\/a\\/[^/]+\\/b\\/\\C*")]);
	});

	it("is void in a grant with a template that Envoy would refuse", () => {
		for (const path of ["a/{*}", "/a{*}", "/{**}/{*}", "/{**}/{**}", '/"/{*}', "/{*}{*}"]) {
			assert.equal(asked({ paths: [path] }), undefined, path);
		}
	});

	it("opens the host alone, in any case, and closes it with all that belongs to it", () => {
		const hosts = (action: Action, host: string) => valuesAt(asked({ hosts: [host] }, action), "stringMatch");
		assert.deepEqual(hosts("ALLOW", "a.b"), [{ exact: "a.b", ignoreCase: true }]);
		assert.deepEqual(hosts("ALLOW", "*.b"), [regex("(?i)[^,@]*\\.b")]);
		assert.deepEqual(hosts("DENY", "a.b"), [regex("(?i)(?:\\C*[,@]\\s*)?a\\.b\\.?(?:[:,]\\C*)?")]);
		assert.deepEqual(hosts("DENY", "*.b"), [regex("(?i)\\C*\\.b\\.?(?:[:,]\\C*)?")]);
		assert.deepEqual(hosts("DENY", "a.*"), [regex("(?i)(?:\\C*[,@]\\s*)?a\\.\\C*")]);
		assert.deepEqual(valuesAt(asked({ hosts: ["*"] }), "presentMatch"), [true]);
	});
});

describe("a condition of a rule", () => {
	const condition = (key: string, values: readonly string[]) => rulesOf({ when: [{ key, values }] }, "ALLOW");

	it("has each of Istio's keys", () => {
		const header = condition("request.headers[X-Role]", ["a", "*"])?.principals;
		assert.deepEqual(valuesAt(header, "header"), [
			{ name: "X-Role", stringMatch: exact("a") },
			{ name: "X-Role", presentMatch: true },
		]);
		const ofPrincipals = {
			"source.ip": "directRemoteIp",
			"remote.ip": "remoteIp",
			"source.namespace": "authenticated",
			"source.principal": "authenticated",
			"source.serviceAccount": "authenticated",
			"source.trustDomain": "authenticated",
			"request.auth.principal": "sourcedMetadata",
			"request.auth.audiences": "sourcedMetadata",
			"request.auth.presenter": "sourcedMetadata",
			"request.auth.claims[a]": "sourcedMetadata",
		};
		for (const [key, kind] of Object.entries(ofPrincipals)) {
			assert.ok(valuesAt(condition(key, ["10.0.0.1"])?.principals, kind).length > 0, key);
		}
		const ofPermissions = { "destination.ip": "destinationIp", "connection.sni": "requestedServerName" };
		for (const [key, kind] of Object.entries(ofPermissions)) {
			assert.equal(valuesAt(condition(key, ["10.0.0.1"])?.permissions, kind).length, 1, key);
		}
		assert.deepEqual(valuesAt(condition("destination.port", ["80"])?.permissions, "destinationPort"), [80]);
	});

	it("finds a claim that is a text or in a list, also inside of others", () => {
		const found = (key: string) => {
			const principals = condition(key, ["v"])?.principals;
			assert.deepEqual(valuesAt(principals, "stringMatch"), [exact("v"), exact("v")]);
			assert.equal(valuesAt(principals, "oneOf").length, 1);
			assert.deepEqual(valuesAt(principals, "filter"), ["envoy.filters.http.jwt_authn"]);
			return valuesAt(valuesAt(principals, "path"), "key");
		};
		assert.deepEqual(found("request.auth.claims[a][b-c]"), ["payload", "a", "b-c"]);
		assert.deepEqual(found("request.auth.audiences"), ["payload", "aud"]);
		assert.deepEqual(found("request.auth.presenter"), ["payload", "azp"]);
	});

	it("reads the metadata of any filter of Envoy", () => {
		const permissions = condition("experimental.envoy.filters.network.mysql_proxy[db.table]", [
			"[select]",
			"x",
		])?.permissions;
		assert.deepEqual(valuesAt(permissions, "filter"), Array(2).fill("envoy.filters.network.mysql_proxy"));
		assert.deepEqual(valuesAt(permissions, "path"), Array(2).fill([{ key: "db.table" }]));
		assert.equal(valuesAt(permissions, "listMatch").length, 1);
	});
});

describe("what cannot be held", () => {
	const bad: readonly AuthorizationRule[] = [
		{ when: [{ key: "request.body", values: ["x"] }] },
		{ when: [{ key: "request.headers[a b]", values: ["x"] }] },
		{ when: [{ key: "request.headers", values: ["x"] }] },
		{ when: [{ key: "request.auth.claims[]", values: ["x"] }] },
		{ when: [{ key: "experimental.envoy.filters.[]", values: ["x"] }] },
		{ from: [{ source: { ipBlocks: ["10.0.0.0/33"] } }] },
		{ from: [{ source: { notRemoteIpBlocks: ["somewhere"] } }] },
		{ to: [{ operation: { ports: ["http"] } }] },
		{ to: [{ operation: { notPorts: ["65536"] } }] },
	];

	it("makes a grant void and a refusal wider", () => {
		for (const rule of bad) {
			assert.equal(rulesOf(rule, "ALLOW"), undefined, JSON.stringify(rule));
			for (const action of ["DENY", "AUDIT"] as const) {
				assert.deepEqual(rulesOf(rule, action), rulesOf({}, action), JSON.stringify(rule));
			}
		}
	});

	it("leaves the policy's other rules, and a policy whose grants are all void closes the workload", () => {
		const [filter] = filters([policy([bad[0] ?? {}, {}])]);
		assert.deepEqual(Object.keys(filter?.rules?.policies ?? {}), ["ns[foo]-policy[p]-rule[1]"]);
		assert.deepEqual(filters([policy(bad)])[0]?.rules, {});
	});

	it("is anything of HTTP on connections without it", () => {
		const ofHttp: readonly AuthorizationRule[] = [
			{ to: [{ operation: { methods: ["GET"] } }] },
			{ to: [{ operation: { notPaths: ["/a"] } }] },
			{ to: [{ operation: { hosts: ["a"] } }] },
			{ from: [{ source: { requestPrincipals: ["*"] } }] },
			{ when: [{ key: "request.headers[a]", notValues: ["x"] }] },
			{ when: [{ key: "request.auth.claims[a]", values: ["x"] }] },
		];
		for (const rule of ofHttp) {
			assert.equal(rulesOf(rule, "ALLOW", "tcp"), undefined, JSON.stringify(rule));
			assert.deepEqual(rulesOf(rule, "DENY", "tcp"), rulesOf({}, "DENY", "tcp"), JSON.stringify(rule));
		}
		const mixed: AuthorizationRule = { to: [{ operation: { methods: ["GET"], ports: ["80"] } }] };
		assert.deepEqual(rulesOf(mixed, "DENY", "tcp"), rulesOf({ to: [{ operation: { ports: ["80"] } }] }, "DENY", "tcp"));
		const together: AuthorizationRule = {
			from: [{ source: { namespaces: ["a"] } }, { source: { requestPrincipals: ["*"] } }],
		};
		assert.equal(
			rulesOf(together, "ALLOW", "tcp"),
			undefined,
			"one void source makes the whole rule void, as in Istio",
		);
	});
});

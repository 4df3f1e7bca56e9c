// Policies as people write them: read without a word, accepted by the schemas of @kubernetes-models/istio as well, and
// together they use every field that the tables have.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
	AuthorizationPolicy,
	PeerAuthentication,
	RequestAuthentication,
} from "@kubernetes-models/istio/security.istio.io/v1";
import { parse as parseYaml } from "yaml";
import { lookUpKind } from "./kind-table.ts";
import { readResourceFile } from "./read-resources.ts";
import type { Shape } from "./shapes/shape.ts";

const models = { PeerAuthentication, RequestAuthentication, AuthorizationPolicy };
type SecurityKind = keyof typeof models;

const corpus: readonly (readonly [what: string, kind: SecurityKind, spec: string])[] = [
	["strict mutual TLS for the mesh", "PeerAuthentication", "mtls: {mode: STRICT}"],
	[
		"a workload with an open metrics port",
		"PeerAuthentication",
		"selector: {matchLabels: {app: ledger}}\nmtls: {mode: STRICT}\nportLevelMtls: {9090: {mode: PERMISSIVE}}",
	],
	[
		"a workload that says nothing itself",
		"PeerAuthentication",
		"selector: {matchLabels: {app: a}}\nmtls: {mode: UNSET}",
	],
	["deny by default", "AuthorizationPolicy", "{}"],
	["an open door", "AuthorizationPolicy", "rules: [{}]"],
	[
		"readers and one writer",
		"AuthorizationPolicy",
		`
selector: {matchLabels: {app: ledger, version: v1}}
action: ALLOW
rules:
- from:
  - source: {principals: [cluster.local/ns/shop/sa/cart], namespaces: [shop]}
  to:
  - operation: {methods: [GET, HEAD], paths: [/accounts/*, "/accounts/{*}/entries/{**}"], hosts: ["*.shop.example"], ports: ["8080"]}
- from:
  - source: {serviceAccounts: [shop/booker]}
  - source: {trustDomains: [partner.example], ipBlocks: [10.0.0.0/8]}
  to:
  - operation: {methods: [POST]}
  when:
  - {key: "request.auth.claims[realm][roles]", values: [booker, admin]}
  - {key: "request.headers[x-tenant]", notValues: [guest]}`,
	],
	[
		"everything that is to be kept out",
		"AuthorizationPolicy",
		`
action: DENY
rules:
- from:
  - source:
      notPrincipals: [cluster.local/ns/ops/sa/*]
      notRequestPrincipals: ["*"]
      requestPrincipals: [https://issuer.example/robot]
      notNamespaces: [kube-system]
      notIpBlocks: [192.0.2.0/24, "2001:db8::/32"]
      remoteIpBlocks: [203.0.113.7]
      notRemoteIpBlocks: [198.51.100.0/24]
      notTrustDomains: [old.example]
  - source: {notServiceAccounts: [monitor]}
  to:
  - operation: {notHosts: [admin.example], notPorts: ["15020"], notMethods: [OPTIONS], notPaths: [/healthz, "/public/{**}"]}`,
	],
	["who touches secrets", "AuthorizationPolicy", "action: AUDIT\nrules: [{to: [{operation: {paths: [/secrets/*]}}]}]"],
	[
		"single sign-on in front of everything but health",
		"AuthorizationPolicy",
		"action: CUSTOM\nprovider: {name: sso}\nrules: [{to: [{operation: {notPaths: [/healthz]}}]}]",
	],
	[
		"a policy on a gateway",
		"AuthorizationPolicy",
		"targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]\nrules: [{when: [{key: remote.ip, values: [203.0.113.0/24]}]}]",
	],
	[
		"a policy on a gateway, as older files have it",
		"AuthorizationPolicy",
		"targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: edge}\nrules: [{}]",
	],
	[
		"tokens from two issuers",
		"RequestAuthentication",
		`
selector: {matchLabels: {app: ledger}}
jwtRules:
- issuer: https://accounts.example
- issuer: robots@example
  jwks: '{"keys": [{"kty": "RSA", "kid": "1", "n": "q83v", "e": "AQAB"}]}'
  audiences: [ledger.shop.example]
  fromHeaders: [{name: x-robot-token, prefix: "Robot "}]
  fromParams: [token]
  fromCookies: [session]
  outputPayloadToHeader: x-jwt-payload
  outputClaimToHeaders: [{header: x-subject, claim: sub}]
  forwardOriginalToken: true
  spaceDelimitedClaims: [roles]`,
	],
	[
		"keys by address, by both names",
		"RequestAuthentication",
		"targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: edge}]\njwtRules:\n" +
			"- {issuer: https://a.example, jwksUri: https://a.example/keys, timeout: 2s}\n- {issuer: https://b.example, jwks_uri: https://b.example/keys}",
	],
	[
		"tokens at a gateway, as older files have it",
		"RequestAuthentication",
		"targetRef: {group: gateway.networking.k8s.io, kind: Gateway, name: edge}\njwtRules: [{issuer: https://a.example}]",
	],
];

/** Names of all fields on the way to each text, `from.source.principals`; entries of lists and mappings add nothing. */
function* fieldsOf(shape: Shape, path: string): Generator<string> {
	if (shape.type === "list" || shape.type === "map") yield* fieldsOf(shape.of, path);
	if (shape.type !== "struct") return;
	for (const [name, field] of shape.fields) {
		yield `${path}.${name}`;
		yield* fieldsOf(field, `${path}.${name}`);
	}
}

/** Fields that a spec uses, by the table of its kind. */
function* usedFields(shape: Shape, value: unknown, path: string): Generator<string> {
	if (typeof value !== "object" || value === null) return;
	if (shape.type === "list" || shape.type === "map")
		for (const item of Object.values(value)) yield* usedFields(shape.of, item, path);
	if (shape.type !== "struct") return;
	for (const [name, item] of Object.entries(value)) {
		yield `${path}.${name}`;
		const field = shape.fields.get(name);
		if (field) yield* usedFields(field, item, `${path}.${name}`);
	}
}

function shapeOf(kind: SecurityKind): Shape {
	const found = lookUpKind("security.istio.io/v1", kind);
	return found.type === "known" ? found.info.shape : assert.fail();
}

const fileOf = (kind: SecurityKind, spec: string): string =>
	`apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {name: a, namespace: shop}\nspec:\n${spec.replace(/^(?=.)/gm, "  ")}\n`;

/** Fields of the source of a rule that the package does not know. */
const newer = ["trustDomains", "notTrustDomains"];

function packageVerdict(kind: SecurityKind, spec: unknown): string {
	const known = JSON.parse(JSON.stringify(spec), (key, value: unknown) =>
		newer.includes(key) ? undefined : value,
	) as never;
	const Model: new (data: never) => { validate(): void } = models[kind];
	try {
		new Model({ metadata: { name: "a" }, spec: known } as never).validate();
		return "accepted";
	} catch (error) {
		return String(error);
	}
}

describe("policies from the field", () => {
	for (const [what, kind, spec] of corpus)
		it(`reads ${what}`, () => {
			const { objects, problems } = readResourceFile("a.yaml", fileOf(kind, spec));
			assert.deepEqual(problems, []);
			assert.equal(packageVerdict(kind, objects[0]?.spec), "accepted");
		});

	for (const kind of Object.keys(models) as SecurityKind[])
		it(`use every field of ${kind}`, () => {
			const used = new Set<string>();
			for (const [, of, spec] of corpus) {
				if (of !== kind) continue;
				const [object] = readResourceFile("a.yaml", fileOf(kind, spec)).objects;
				for (const field of usedFields(shapeOf(kind), object?.spec, "spec")) used.add(field);
				if (spec.includes("jwks_uri")) used.add("spec.jwtRules.jwks_uri");
			}
			// Refused wherever it stands, so no good policy has it.
			const refused = [...fieldsOf(shapeOf(kind), "spec")].filter((field) => /targetRefs?\.namespace$/.test(field));
			const unused = [...fieldsOf(shapeOf(kind), "spec")].filter(
				(field) => !used.has(field) && !refused.includes(field),
			);
			assert.deepEqual(unused, []);
		});

	const broken: readonly (readonly [kind: SecurityKind, spec: string])[] = [
		["PeerAuthentication", "mtls: {mode: strict}"],
		["PeerAuthentication", "selector: {matchLabels: {app: a}}\nportLevelMtls: {}"],
		["PeerAuthentication", `selector: {matchLabels: {app: ${"a".repeat(64)}}}`],
		["AuthorizationPolicy", "action: BLOCK"],
		["AuthorizationPolicy", "rules: {}"],
		["AuthorizationPolicy", "rules: [{when: [{values: [a]}]}]"],
		["AuthorizationPolicy", "targetRefs: [{kind: Gateway}]"],
		["AuthorizationPolicy", `rules: [{from: [{source: {serviceAccounts: [${"a".repeat(321)}]}}]}]`],
		["AuthorizationPolicy", `rules: [{from: [${Array(513).fill("{source: {namespaces: [a]}}")}]}]`],
		["RequestAuthentication", "jwtRules: [{issuer: ''}]"],
		["RequestAuthentication", "jwtRules: [{issuer: https://a.example, audiences: ['']}]"],
		["RequestAuthentication", "jwtRules: [{issuer: https://a.example, jwksUri: ''}]"],
		["RequestAuthentication", "jwtRules: [{issuer: https://a.example, fromHeaders: [{name: ''}]}]"],
		[
			"RequestAuthentication",
			"jwtRules: [{issuer: https://a.example, outputClaimToHeaders: [{header: 'a b', claim: c}]}]",
		],
		[
			"RequestAuthentication",
			`jwtRules: [{issuer: https://a.example, spaceDelimitedClaims: [${Array(65).fill("a")}]}]`,
		],
		["RequestAuthentication", "jwtRules: [{issuer: https://a.example, spaceDelimitedClaims: ['']}]"],
	];
	for (const [kind, spec] of broken)
		it(`refuses what the schemas refuse: ${kind} ${spec.slice(0, 70)}`, () => {
			const { objects, problems } = readResourceFile("a.yaml", fileOf(kind, spec));
			assert.equal(objects.length, 0);
			assert.ok(problems.some((problem) => problem.severity === "error"));
			const written = parseYaml(fileOf(kind, spec)) as { readonly spec: unknown };
			assert.notEqual(packageVerdict(kind, written.spec), "accepted");
		});
});

// Whatever texts policies and providers hold, Envoy must take the listener: it refuses it whole for one bad field, and the
// workload would keep its old policies.

import assert from "node:assert/strict";
import { it } from "node:test";
import { defaultMeshSettings } from "../../model/mesh-settings.ts";
import { type AuthorizationPolicyView, permissiveMtls } from "../../model/security.ts";
import type { AuthorizationRule } from "../../resources/kinds/security.ts";
import { authorizationProvidersOf } from "../../snapshot/authorization-providers.ts";
import { envoyRefuses } from "../envoy-validates.testing.ts";
import { generateInboundListeners } from "../listener/virtual-inbound.ts";
import { port } from "../views.testing.ts";

const texts = [
	..."* ** *** a a* *a *a* a*b a*b*c * a / /* */ // /a /{*} /{**} {*} /{*}/{**} /{**}/{*} /{**}/a /a{*} /{a} /{a=*} /{ /}".split(
		" ",
	),
	..."10.0.0.1 10.0.0.0/8 10.0.0.0/33 ::1 ::/0 ::ffff:1.2.3.4 1.2.3 0.0.0.0/0 80 0 65535 65536 -1 1e3 80.5 0x50".split(
		" ",
	),
	..."( ) [ ] [] [a] [*] { } \\ \\C (?i) a|b ^a$ . + ? \\Q \\E (a+)+ x{1,1000} [[:alpha:]] \\pN".split(" "),
	"",
	" ",
	"\t",
	"\n",
	"\r\n",
	"\0",
	"a\0b",
	"é",
	"日本",
	"\u{1f600}",
	"\ud800",
	"\u0085",
	"\u200b",
	"a".repeat(5000),
	"a/".repeat(500),
	"x/ns/y/sa/z",
	"*/ns/y/sa/z",
	"x*/ns/*/sa/*",
	"cluster.local/ns/a/sa/b",
	"*/*",
	"a/*",
	"https://i/s",
];
const keys = [
	..."source.ip remote.ip source.namespace source.principal source.serviceAccount source.trustDomain".split(" "),
	..."request.auth.principal request.auth.audiences request.auth.presenter request.auth.claims[a] request.auth.claims[a][b]".split(
		" ",
	),
	..."request.headers[a] request.headers[:path] request.headers[a:b] request.headers[] request.headers[\n] request.headers".split(
		" ",
	),
	..."request.auth.claims[] request.auth.claims[][] request.auth.claims request.auth.claims[a]b destination.ip destination.port".split(
		" ",
	),
	..."connection.sni experimental.envoy.filters.a[b] experimental.envoy.filters.[b] experimental.envoy.filters.a[] experimental.x[y] x".split(
		" ",
	),
];
const sourceFields = [
	"principals",
	"requestPrincipals",
	"namespaces",
	"serviceAccounts",
	"trustDomains",
	"ipBlocks",
	"remoteIpBlocks",
];
const operationFields = ["hosts", "ports", "methods", "paths"];

/** Every text in every field, each in a rule of its own, so that a void rule takes no other with it. */
function rules(): readonly AuthorizationRule[] {
	const negated = (field: string) => `not${field.charAt(0).toUpperCase()}${field.slice(1)}`;
	return texts.flatMap((text): readonly AuthorizationRule[] => [
		...sourceFields.flatMap((field) => [
			{ from: [{ source: { [field]: [text] } }] },
			{ from: [{ source: { [negated(field)]: [text] } }] },
		]),
		...operationFields.flatMap((field) => [
			{ to: [{ operation: { [field]: [text] } }] },
			{ to: [{ operation: { [negated(field)]: [text] } }] },
		]),
		...keys.flatMap((key) => [{ when: [{ key, values: [text] }] }, { when: [{ key, notValues: [text] }] }]),
	]);
}

it("Envoy takes every text in every field of a policy", () => {
	const actions = ["ALLOW", "DENY", "CUSTOM"] as const;
	const authorization = actions.map(
		(action): AuthorizationPolicyView => ({
			source: "AuthorizationPolicy/foo/p",
			namespace: "foo",
			name: "p",
			action,
			provider: "p",
			dryRun: false,
			rules: rules(),
		}),
	);
	const authorizationProviders = authorizationProvidersOf([
		{
			name: "p",
			envoyExtAuthzHttp: {
				service: "opa.foo.svc.cluster.local",
				port: 80,
				pathPrefix: "/check",
				includeAdditionalHeadersInCheck: {
					a: "é %x 100%",
					b: "%REQ(:path)%%REQ(A?B):5%%%%",
					c: "%NOTHING%",
					d: "%REQ(a?b?c)% %REQ()%",
				},
				headersToUpstreamOnAllow: ["x-*"],
			},
		},
	]);
	const listeners = generateInboundListeners(
		{
			mesh: { ...defaultMeshSettings, authorizationProviders },
			namespace: "foo",
			interceptionMode: "REDIRECT",
			addresses: ["10.1.0.1"],
			ports: [{ targetPort: 80, protocol: port(80).protocol }],
			security: { mtls: permissiveMtls, authorization, authentication: [] },
		},
		false,
	);
	assert.equal(envoyRefuses({ listeners }), "");
});

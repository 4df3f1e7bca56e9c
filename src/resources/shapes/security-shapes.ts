// Fields of Istio's security kinds, as in its security.istio.io/v1 schemas.

import { choice, duration, flag, labels, list, map, type Shape, struct, text, texts } from "./shape.ts";

const mtls = struct({ mode: choice("UNSET", "DISABLE", "PERMISSIVE", "STRICT") });
const selector = struct({ matchLabels: labels });

export const peerAuthenticationShape = struct({ selector, mtls, portLevelMtls: map(mtls, 1) });

const targetKind = choice("Service", "ServiceEntry", "Gateway", "GatewayClass");
const targetRef = struct({ group: text, kind: targetKind, name: text, namespace: text }, "kind", "name");
const targets = { selector, targetRef, targetRefs: list(targetRef, 0, 16) };

const jwtRule = struct(
	{
		issuer: text,
		audiences: texts,
		jwksUri: { type: "text", maxLength: 2048 },
		/** The name that older files have; withCurrentNames makes it jwksUri. */
		jwks_uri: { type: "text", maxLength: 2048 },
		jwks: text,
		fromHeaders: list(struct({ name: text, prefix: text }, "name")),
		fromParams: texts,
		fromCookies: texts,
		outputPayloadToHeader: text,
		outputClaimToHeaders: list(struct({ header: text, claim: text }, "header", "claim")),
		forwardOriginalToken: flag,
		timeout: duration,
		spaceDelimitedClaims: list(text, 0, 64),
	},
	"issuer",
);

export const requestAuthenticationShape = struct({ ...targets, jwtRules: list(jwtRule, 0, 4096) });

const serviceAccounts: Shape = list({ type: "text", maxLength: 320 }, 0, 16);

const source = struct({
	principals: texts,
	notPrincipals: texts,
	requestPrincipals: texts,
	notRequestPrincipals: texts,
	namespaces: texts,
	notNamespaces: texts,
	serviceAccounts,
	notServiceAccounts: serviceAccounts,
	trustDomains: texts,
	notTrustDomains: texts,
	ipBlocks: texts,
	notIpBlocks: texts,
	remoteIpBlocks: texts,
	notRemoteIpBlocks: texts,
});

const operation = struct({
	hosts: texts,
	notHosts: texts,
	ports: texts,
	notPorts: texts,
	methods: texts,
	notMethods: texts,
	paths: texts,
	notPaths: texts,
});

const rule = struct({
	from: list(struct({ source }), 0, 512),
	to: list(struct({ operation })),
	when: list(struct({ key: text, values: texts, notValues: texts }, "key")),
});

export const authorizationPolicyShape = struct({
	...targets,
	rules: list(rule, 0, 512),
	action: choice("ALLOW", "DENY", "AUDIT", "CUSTOM"),
	provider: struct({ name: text }),
});

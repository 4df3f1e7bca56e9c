// One JWT rule -> jwt_authn's provider: whose tokens, where they are, what verifies them, and what is passed on. A field that
// Envoy would not take is left out rather than have the whole listener refused; where that could let a token pass that the
// rule's author did not mean, the rule accepts none.

import { keySetForEnvoy, readKeySet } from "../../model/key-set.ts";
import type { JwtRuleView } from "../../model/security.ts";
import type { JwtProviderSchema } from "../gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts";
import type { MessageFields } from "../message-fields.ts";

/** Claims that hold a list as one text, as OAuth has them. */
const spaceDelimitedClaims = ["scope", "permission"];

const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const notInHeaderValue = /[\0\r\n]/;

export function tokenProvider(rule: JwtRuleView): MessageFields<typeof JwtProviderSchema> {
	const { fromHeaders = [], fromParams = [], fromCookies = [], outputClaimToHeaders = [] } = rule;
	const payloadHeader = rule.outputPayloadToHeader ?? "";
	return {
		issuer: rule.issuer,
		audiences: [...(rule.audiences ?? [])],
		jwksSourceSpecifier: { case: "localJwks", value: { specifier: { case: "inlineString", value: keysOf(rule) } } },
		forward: rule.forwardOriginalToken ?? false,
		fromHeaders: fromHeaders.filter(isPlace).map(({ name, prefix }) => ({ name, valuePrefix: prefix ?? "" })),
		fromParams: [...fromParams],
		fromCookies: [...fromCookies],
		forwardPayloadHeader: headerName.test(payloadHeader) ? payloadHeader : "",
		claimToHeaders: outputClaimToHeaders
			.filter(({ header, claim }) => headerName.test(header) && claim !== "")
			.map(({ header, claim }) => ({ headerName: header, claimName: claim })),
		payloadInMetadata: "payload",
		normalizePayloadInMetadata: {
			spaceDelimitedClaims: [...new Set([...spaceDelimitedClaims, ...(rule.spaceDelimitedClaims ?? [])])],
		},
		// Routes may match on claims, which are there only now. Envoy looks at routes again only where a token was verified.
		clearRouteCache: true,
	};
}

function isPlace({ name, prefix }: { readonly name: string; readonly prefix?: string }): boolean {
	return headerName.test(name) && !notInHeaderValue.test(prefix ?? "");
}

/**
 * A symmetric key is a secret, yet the only one there is to verify with: it is kept where the rule's author wrote it. Envoy
 * takes an empty issuer for any issuer.
 */
function keysOf(rule: JwtRuleView): string {
	const accepts = rule.issuer !== "" && (rule.fromHeaders ?? []).every(isPlace);
	if (!accepts || rule.keys === undefined) return keySetForEnvoy(undefined);
	const read = readKeySet(rule.keys, rule.jwks ? "keep" : "leaveOut");
	return keySetForEnvoy(read.ok ? read.keys : undefined);
}

// One JWT rule -> jwt_authn's provider: whose tokens, where they are, what verifies them, and what is passed on.

import { keySetForEnvoy, readKeySet } from "../../model/key-set.ts";
import type { JwtRuleView } from "../../model/security.ts";
import type { JwtProviderSchema } from "../gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts";
import type { MessageFields } from "../message-fields.ts";

/** Claims that hold a list as one text, as OAuth has them. */
const spaceDelimitedClaims = ["scope", "permission"];

export function tokenProvider(rule: JwtRuleView): MessageFields<typeof JwtProviderSchema> {
	return {
		issuer: rule.issuer,
		audiences: [...(rule.audiences ?? [])],
		jwksSourceSpecifier: { case: "localJwks", value: { specifier: { case: "inlineString", value: keysOf(rule) } } },
		forward: rule.forwardOriginalToken ?? false,
		fromHeaders: (rule.fromHeaders ?? []).map(({ name, prefix }) => ({ name, valuePrefix: prefix ?? "" })),
		fromParams: [...(rule.fromParams ?? [])],
		fromCookies: [...(rule.fromCookies ?? [])],
		forwardPayloadHeader: rule.outputPayloadToHeader ?? "",
		claimToHeaders: (rule.outputClaimToHeaders ?? []).map(({ header, claim }) => ({
			headerName: header,
			claimName: claim,
		})),
		payloadInMetadata: "payload",
		normalizePayloadInMetadata: {
			spaceDelimitedClaims: [...new Set([...spaceDelimitedClaims, ...(rule.spaceDelimitedClaims ?? [])])],
		},
		// Routes may match on claims, which are there only now. Envoy looks at routes again only where a token was verified.
		clearRouteCache: true,
	};
}

/** A symmetric key is a secret, yet the only one there is to verify with: it is kept where the rule's author wrote it. */
function keysOf(rule: JwtRuleView): string {
	if (rule.keys === undefined) return keySetForEnvoy(undefined);
	const read = readKeySet(rule.keys, rule.jwks === undefined ? "leaveOut" : "keep");
	return keySetForEnvoy(read.ok ? read.keys : undefined);
}

// `@request.auth.claims.a.b` and `@request.auth.claims[a][b]` in the headers of a match -> a matcher of what Envoy's jwt_authn
// left of the verified token in the request's metadata. Claims of a request without a token are absent.
// https://istio.io/latest/docs/tasks/security/authentication/jwt-route/

import type { StringMatch } from "../../resources/kinds/networking.ts";
import type { MetadataMatcherSchema } from "../gen/envoy/type/matcher/v3/metadata_pb.ts";
import type { ValueMatcherSchema } from "../gen/envoy/type/matcher/v3/value_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { tokenFilterName, tokenPayloadKey } from "../security/token-filters.ts";
import { stringMatcher } from "./string-match.ts";

type ValueMatcher = MessageFields<typeof ValueMatcherSchema>;

const prefix = "@request.auth.";
const claimsPrefix = `${prefix}claims`;

export function isAboutTokens(headerName: string): boolean {
	return headerName.toLowerCase().startsWith(prefix);
}

/** The way to the claim; undefined for a name that is none of the two forms. Names of claims are case-sensitive. */
export function claimPath(headerName: string): readonly string[] | undefined {
	if (!headerName.toLowerCase().startsWith(claimsPrefix)) return undefined;
	const rest = headerName.slice(claimsPrefix.length);
	const dotted = rest.startsWith(".") ? rest.slice(1).split(".") : undefined;
	const bracketed = /^\[.*\]$/s.test(rest) ? rest.slice(1, -1).split("][") : undefined;
	const path = dotted ?? bracketed;
	return path?.every((claim) => claim !== "") ? path : undefined;
}

/** Holds for a claim that is such a text, or a list with one. `invert`: for `withoutHeaders`; an absent claim counts as unlike. */
export function claimMatcher(
	path: readonly string[],
	match: StringMatch,
	invert: boolean,
): MessageFields<typeof MetadataMatcherSchema> {
	return {
		filter: tokenFilterName,
		path: [tokenPayloadKey, ...path].map((value) => ({ segment: { case: "key", value } })),
		value: claimValue(match),
		invert,
	};
}

function claimValue(match: StringMatch): ValueMatcher {
	const text = stringMatcher(match);
	if (!text) return { matchPattern: { case: "presentMatch", value: true } };
	const asText: ValueMatcher = { matchPattern: { case: "stringMatch", value: text } };
	const inList: ValueMatcher = {
		matchPattern: { case: "listMatch", value: { matchPattern: { case: "oneOf", value: asText } } },
	};
	return { matchPattern: { case: "orMatch", value: { valueMatchers: [asText, inList] } } };
}

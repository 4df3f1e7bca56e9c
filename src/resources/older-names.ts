// Fields that have two names: the spec of a kind comes in, the same with the names that the types have goes out.

import type { Kind } from "./config-object.ts";
import { isMapping } from "./shapes/check-shape.ts";

/** RequestAuthentication's `jwks_uri` becomes `jwksUri`. Shapes have been checked before. */
export function withCurrentNames(kind: Kind, spec: unknown): unknown {
	if (kind !== "RequestAuthentication" || !isMapping(spec) || !Array.isArray(spec.jwtRules)) return spec;
	const rules: readonly unknown[] = spec.jwtRules;
	if (!rules.some((rule) => isMapping(rule) && "jwks_uri" in rule)) return spec;
	return { ...spec, jwtRules: rules.map(withJwksUri) };
}

function withJwksUri(rule: unknown): unknown {
	// With both, it stays as it is: request-authentication-rules.ts refuses that.
	if (!isMapping(rule) || rule.jwks_uri === undefined || rule.jwksUri !== undefined) return rule;
	const { jwks_uri: jwksUri, ...rest } = rule;
	return { ...rest, jwksUri };
}

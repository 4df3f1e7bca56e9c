// A text of a policy (`exact`, `prefix*`, `*suffix`, `*`) -> Envoy's StringMatcher. Istio's rules of patterns.
// Request bytes need not be UTF-8. An expression that fails on those that are not would let them pass a DENY rule, as older
// Envoys did: so string matchers are used where they can be, and `\C` (any byte) where an expression is needed.

import { create } from "@bufbuild/protobuf";
import { type StringMatcher, StringMatcherSchema } from "../gen/envoy/type/matcher/v3/string_pb.ts";

/** One or more bytes of any sort. */
export const anyText: StringMatcher = expressionMatcher("\\C+");

export function textPattern(pattern: string, ignoreCase = false): StringMatcher {
	if (pattern === "*") return anyText;
	if (pattern.startsWith("*")) return textMatcher("suffix", pattern.slice(1), ignoreCase);
	if (pattern.endsWith("*")) return textMatcher("prefix", pattern.slice(0, -1), ignoreCase);
	return textMatcher("exact", pattern, ignoreCase);
}

export function textMatcher(
	kind: "exact" | "prefix" | "suffix" | "contains",
	value: string,
	ignoreCase = false,
): StringMatcher {
	return create(StringMatcherSchema, { matchPattern: { case: kind, value }, ignoreCase });
}

/** RE2; must match the whole text. */
export function expressionMatcher(regex: string): StringMatcher {
	return create(StringMatcherSchema, { matchPattern: { case: "safeRegex", value: { regex } } });
}

/** The text itself as an RE2 expression. */
export function quoteExpression(text: string): string {
	return text.replace(/[^A-Za-z0-9_\u0080-\uffff]/g, "\\$&");
}

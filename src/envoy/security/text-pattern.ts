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

/** Whether a path has but one spelling that Envoy leaves as it is. */
const oneSpelling = /^[A-Za-z0-9\-._~/]*$/;

/**
 * A path's pattern for rules that close: `:` and `%3A`, `%c3` and `%C3` are one to an application and two to Envoy, which
 * makes plain only how letters, digits and `-._~` are written.
 */
export function closingPathPattern(pattern: string): StringMatcher {
	const start = pattern.startsWith("*") ? "\\C*" : "";
	const end = start === "" && pattern.endsWith("*") ? "\\C*" : "";
	const text = pattern.slice(start === "" ? 0 : 1, end === "" ? undefined : -1);
	if (oneSpelling.test(text)) return textPattern(pattern);
	return expressionMatcher(`${start}${spelledExpression(text)}${end}`);
}

/** Each spelling of the text, in RE2. An escaped slash is part of a name; a bare one is not that. */
export function spelledExpression(text: string): string {
	return text.replace(/%[0-9A-Fa-f]{2}|./gsu, (part) => {
		if (oneSpelling.test(part)) return quoteExpression(part);
		const isEscaped = part.length === 3 && part.startsWith("%");
		const escaped = isEscaped ? part : [...new TextEncoder().encode(part)].map(escapedByte).join("");
		const byte = isEscaped ? Number.parseInt(part.slice(1), 16) : 0;
		const bare = isEscaped ? (byte < 128 ? String.fromCharCode(byte) : "") : part;
		if (bare === "" || bare === "/") return `(?i:${escaped})`;
		return `(?:${quoteExpression(bare)}|(?i:${escaped}))`;
	});
}

const escapedByte = (byte: number): string => `%${byte.toString(16).padStart(2, "0")}`;

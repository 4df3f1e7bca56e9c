// `ISSUER/SUBJECT` of a policy's requestPrincipals -> what the `iss` and `sub` claims of a verified token must be.

import type { StringMatcher } from "../gen/envoy/type/matcher/v3/string_pb.ts";
import { anyText, textMatcher } from "./text-pattern.ts";

export interface TokenUser {
	readonly issuer: StringMatcher;
	readonly subject: StringMatcher;
}

/**
 * Cut at the last slash, because an issuer may be a URL. One `*`: alone (any verified token), at the start or at the end.
 * A text without a slash and without `*` is an issuer whose subject is empty.
 */
export function tokenUser(text: string): TokenUser {
	const exact = (value: string) => textMatcher("exact", value);
	const slash = text.lastIndexOf("/");
	if (text === "*") return { issuer: anyText, subject: anyText };
	if (slash < 0) {
		if (text.startsWith("*")) return { issuer: anyText, subject: textMatcher("suffix", text.slice(1)) };
		if (text.endsWith("*")) return { issuer: textMatcher("prefix", text.slice(0, -1)), subject: anyText };
		return { issuer: exact(text), subject: exact("") };
	}
	const issuer = text.slice(0, slash);
	const subject = text.slice(slash + 1);
	if (text.startsWith("*")) {
		return { issuer: issuer === "*" ? anyText : textMatcher("suffix", issuer.slice(1)), subject: exact(subject) };
	}
	if (!text.endsWith("*")) return { issuer: exact(issuer), subject: exact(subject) };
	return {
		issuer: exact(issuer),
		subject: subject === "*" ? anyText : textMatcher("prefix", subject.slice(0, -1)),
	};
}

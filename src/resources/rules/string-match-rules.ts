// exact, prefix or regex: one of the three.

import type { Findings, Path } from "../findings.ts";
import type { StringMatch } from "../kinds/networking.ts";
import { re2Error } from "../text/re2-syntax.ts";

/**
 * `mayBeEmpty`: without any of the three it means "is there" (headers, query parameters).
 * `emptyPrefix`: an empty prefix is fine, as in a URI.
 */
export function checkStringMatch(
	match: StringMatch | undefined,
	path: Path,
	findings: Findings,
	allow: { readonly mayBeEmpty?: boolean; readonly emptyPrefix?: boolean } = {},
): void {
	if (match === undefined) return;
	const given = (["exact", "prefix", "regex"] as const).filter((key) => match[key] !== undefined);
	if (given.length > 1) findings.error(path, `${given.join(" and ")} exclude each other`, "keep one of them");
	if (given.length === 0 && !allow.mayBeEmpty) findings.error(path, "matches nothing", "give exact, prefix or regex");
	if (match.prefix === "" && !allow.emptyPrefix)
		findings.error([...path, "prefix"], "the prefix is empty", "give at least one character");
	checkRegex(match.regex, [...path, "regex"], findings);
}

export function checkRegex(pattern: string | undefined, path: Path, findings: Findings): void {
	if (pattern === undefined) return;
	const wrong = pattern === "" ? "is empty" : re2Error(pattern);
	if (wrong) findings.error(path, `the regular expression ${wrong}`, "write it in RE2's syntax; .* matches everything");
}

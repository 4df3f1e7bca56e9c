// A regular expression of keepalived.conf (PCRE2) as JavaScript has it. In: pattern and options. Out: the expression, or what of it
// means something else here.

import type { HttpUrl } from "../../vip/keepalived-conf/virtual-servers.ts";

type ConfRegex = NonNullable<HttpUrl["regex"]>;

export type MadeRegex =
	| { readonly ok: true; readonly regex: RegExp }
	| { readonly ok: false; readonly because: string; readonly hint: string };

/** Those that change nothing here: they are about speed, limits, or forms that a pattern may not use. */
const harmless = new Set([
	"auto_callout",
	"never_ucp",
	"never_utf",
	"no_auto_capture",
	"no_auto_possess",
	"no_dotstar_anchor",
	"no_start_optimize",
	"never_backslash_c",
	"alt_verbnames",
	"use_offset_limit",
	"alt_bsux",
	"allow_empty_class",
	"match_unset_backref",
]);
const flags: Readonly<Record<string, string>> = { caseless: "i", dotall: "s", multiline: "m", utf: "u", ucp: "u" };

/** Constructs of PCRE2 that JavaScript takes for something else, or does not know. */
const differing: readonly (readonly [RegExp, string])[] = [
	[/\(\?>/, "an atomic group"],
	[/(?:[*+?]|\})\+/, "a possessive quantifier"],
	[/\(\?(?:R|[+-]?\d+|&\w+|P>\w+)\)/, "a recursion"],
	[/\(\?\(/, "a condition"],
	[/\(\?\|/, "a branch reset"],
	[/\(\?#/, "a comment"],
	[/\(\*/, "a verb"],
	[/\[\[[:.=]/, "a POSIX class"],
	[/\\[AZzGKRhHQEXNaeC]/, "an escape that JavaScript does not know"],
];

export function regexOf({ pattern, options }: ConfRegex): MadeRegex {
	const withoutEscapes = pattern.replace(/\\\\/g, "");
	const found = differing.find(([form]) => form.test(withoutEscapes));
	if (found)
		return {
			ok: false,
			because: `the pattern has ${found[1]}, which cannot be done here`,
			hint: "write the pattern without it",
		};
	const wanted = new Set<string>();
	for (const option of options) {
		const flag = Object.hasOwn(flags, option) ? flags[option] : undefined;
		if (flag !== undefined) wanted.add(flag);
		else if (!harmless.has(option))
			return { ok: false, because: `regex_options ${option} cannot be done here`, hint: "take the option out" };
	}
	// In the middle of a pattern only (?i: ... ) is known; at its start it is a flag.
	const inline = /^\(\?([ims]+)\)/.exec(pattern);
	for (const flag of inline?.[1] ?? "") wanted.add(flag);
	const source = pattern
		.slice(inline?.[0].length ?? 0)
		.replaceAll("(?P<", "(?<")
		.replaceAll(/\(\?P=(\w+)\)/g, "\\k<$1>");
	try {
		// Without an option, PCRE2's end is also before a last new line.
		const ends = wanted.has("m") ? source : source.replace(/(?<!\\)\$$/, "(?=\\n?$(?![\\s\\S]))");
		return { ok: true, regex: new RegExp(ends, [...wanted].join("")) };
	} catch (error) {
		return {
			ok: false,
			because: `the pattern is not valid here: ${error instanceof Error ? error.message : error}`,
			hint: "compare with JavaScript's regular expressions",
		};
	}
}

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseDurationMs } from "./duration.ts";
import { nearestName } from "./nearest-name.ts";
import { re2Error } from "./re2-syntax.ts";

describe("re2Error", () => {
	const good = [
		"",
		"a",
		"/api/v[0-9]+",
		"(?:a|b)*",
		"(?P<x>a)(?<y>b)",
		"(?i)abc",
		"(?i:abc)(?-s)",
		"a{2}",
		"a{2,}",
		"a{2,3}?",
		"a*?",
		"[a-z\\d_-]",
		"[]a]",
		"[^]a]",
		"[[:alpha:]]",
		"\\pL\\p{Greek}\\PN",
		"\\x41\\x{10FFFF}",
		"\\Qa.b(\\E",
		"^$\\b\\A\\z",
		"{",
		"a{,2}",
		"\\.",
		"[a-]",
		"[\\]]",
		"()",
	];
	for (const pattern of good) it(`accepts ${pattern || "nothing"}`, () => assert.equal(re2Error(pattern), undefined));

	const bad: readonly (readonly [string, RegExp])[] = [
		["(?=a)", /look-ahead/],
		["(?!a)", /look-ahead/],
		["(?<=a)b", /look-behind/],
		["(?<!a)b", /look-behind/],
		["(a)\\1", /refers back to group 1/],
		["(?P<x>a)\\k<x>", /refers back to a named group/],
		["(?>a)", /unknown group/],
		["(?#comment)", /unknown group/],
		["(a", /not closed/],
		["a)", /without its/],
		["[a", /not closed/],
		["[z-a]", /wrong way round/],
		["[[:foo:]]", /unknown class/],
		["*a", /nothing to repeat/],
		["a|*", /nothing to repeat/],
		["(*a)", /nothing to repeat/],
		["a**", /repeats a repetition/],
		["a*+", /repeats a repetition/],
		["a{1001}", /more than 1000/],
		["a{3,2}", /wrong way round/],
		["a\\", /ends with/],
		["\\Z", /unknown escape/],
		["\\h", /unknown escape/],
		["a".repeat(1025), /1024 are allowed/],
	];
	for (const [pattern, reason] of bad)
		it(`refuses ${pattern.slice(0, 20)}`, () => assert.match(re2Error(pattern) ?? "accepted", reason));
});

describe("parseDurationMs", () => {
	const cases: readonly (readonly [string, number | undefined])[] = [
		["1s", 1000],
		["1.5s", 1500],
		["200ms", 200],
		["1m30s", 90_000],
		["1h", 3_600_000],
		["0s", 0],
		["0", 0],
		[".5s", 500],
		["1500us", 1.5],
		["-1s", -1000],
		["5", undefined],
		["", undefined],
		["s", undefined],
		["1 s", undefined],
		["1d", undefined],
		["1s ", undefined],
		["0.1s", 100],
	];
	for (const [text, ms] of cases)
		it(`reads ${JSON.stringify(text)} as ${ms}`, () => assert.equal(parseDurationMs(text), ms));
});

describe("nearestName", () => {
	const known = ["route", "redirect", "retries", "timeout", "destination"];
	for (const [name, near] of [
		["rout", "route"],
		["timeotu", "timeout"],
		["Timeout", "timeout"],
		["destinaton", "destination"],
		["xyz", undefined],
	] as const)
		it(`takes ${name} for ${near}`, () => assert.equal(nearestName(name, known), near));
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { matchesPath, matchesPattern } from "./text-pattern.ts";

describe("patterns of policy values", () => {
	const cases: readonly (readonly [string, string, boolean])[] = [
		["GET", "GET", true],
		["GET", "get", false],
		["/info*", "/info/x", true],
		["/info*", "/inf", false],
		["*/info", "/a/info", true],
		["*", "anything", true],
		["*", "", false],
	];
	for (const [pattern, text, expected] of cases)
		it(`${pattern} ${expected ? "takes" : "does not take"} ${JSON.stringify(text)}`, () =>
			assert.equal(matchesPattern(pattern, text), expected));
	it("nothing is taken where there is nothing", () => assert.equal(matchesPattern("*", undefined), false));
});

describe("path templates", () => {
	const cases: readonly (readonly [string, string, boolean])[] = [
		["/foo/{*}", "/foo/bar", true],
		["/foo/{*}", "/foo/bar/baz", false],
		["/foo/{*}", "/foo/", false],
		["/foo/{**}/", "/foo/bar/", true],
		["/foo/{**}/", "/foo//", true],
		["/foo/{**}/", "/foo/bar", false],
		["/foo/{*}/bar/{**}", "/foo/buzz/bar/", true],
		["/foo/{*}/bar/{**}", "/foo/buzz/bar/baz/x", true],
		["/foo/{*}/bar/{**}", "/foo/a/b/bar/x", false],
		["/v1/{*}.json", "/v1/a.json", true],
		["/v1/{*}.json", "/v1/.json", false],
		["/foo/{*}", '/foo/any"thing*[]', true],
	];
	for (const [template, path, expected] of cases)
		it(`${template} ${expected ? "takes" : "does not take"} ${path}`, () =>
			assert.equal(matchesPath(template, path), expected));
});

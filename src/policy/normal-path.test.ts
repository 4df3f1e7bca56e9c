import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PathNormalization } from "../model/security.ts";
import { normalPath } from "./normal-path.ts";

describe("a path as policies see it", () => {
	const cases: readonly (readonly [PathNormalization, string, string])[] = [
		["NONE", "/a/../b//c?x=1", "/a/../b//c"],
		["BASE", "/a/../b//c?x=1", "/b//c"],
		["BASE", "/a/%2e%2E/b", "/b"],
		["BASE", "/a\\b", "/a/b"],
		["BASE", "/a/b/..", "/a/"],
		["BASE", "/a%2Fb", "/a%2Fb"],
		["BASE", "/../../a", "/a"],
		["MERGE_SLASHES", "//a///b/", "/a/b/"],
		["DECODE_AND_MERGE_SLASHES", "/a%2f%2Fb%5Cc", "/a/b/c"],
	];
	for (const [normalization, target, expected] of cases)
		it(`${target} is ${expected} under ${normalization}`, () =>
			assert.equal(normalPath(target, normalization), expected));
});

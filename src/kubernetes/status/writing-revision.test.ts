import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { writingRevision } from "./writing-revision.ts";

describe("the status of a resource is written by", () => {
	const all = new Set(["default", "1-2", "1-1"]);

	it("the revision that the resource names", () => assert.equal(writingRevision("1-2", all), "1-2"));
	it("the default revision when it names none", () => assert.equal(writingRevision(undefined, all), "default"));
	it("the default revision when the one that it names is not there, or is a tag", () =>
		assert.equal(writingRevision("prod", all), "default"));
	it("the first by name when there is no default revision", () =>
		assert.equal(writingRevision(undefined, new Set(["1-2", "1-1"])), "1-1"));
});

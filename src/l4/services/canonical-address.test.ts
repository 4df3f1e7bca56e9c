import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { canonicalAddress, canonicalRange, rangeHolds } from "./canonical-address.ts";
import { sourceRangesOf } from "./source-ranges.ts";

describe("canonical addresses", () => {
	const cases: readonly (readonly [text: string, expected: string | undefined])[] = [
		["10.0.0.1", "10.0.0.1"],
		["010.000.0.01", "10.0.0.1"],
		["FD00:0:0::1", "fd00::1"],
		["::ffff:10.0.0.1", "10.0.0.1"],
		["10.0.0.0/8", undefined],
		["10.0.0.256", undefined],
		["a.example", undefined],
		["", undefined],
	];
	for (const [text, expected] of cases)
		it(`${JSON.stringify(text)} is ${expected ?? "none"}`, () => assert.equal(canonicalAddress(text)?.text, expected));

	it("are ordered by their bytes, IPv4 first", () => {
		const order = (text: string): string => canonicalAddress(text)?.order ?? "";
		const sorted = ["fd00::1", "200.0.0.1", "9.0.0.1", "::1", "10.0.0.1"].sort((a, b) =>
			order(a) < order(b) ? -1 : 1,
		);
		assert.deepEqual(sorted, ["9.0.0.1", "10.0.0.1", "200.0.0.1", "::1", "fd00::1"]);
	});
});

describe("ranges", () => {
	it("lose their host bits, and need a length", () => {
		assert.equal(canonicalRange(" 10.1.2.3/8 "), "10.0.0.0/8");
		assert.equal(canonicalRange("2001:DB8::1/32"), "2001:db8::/32");
		assert.equal(canonicalRange("10.0.0.1"), undefined);
		assert.equal(canonicalRange("10.0.0.1/33"), undefined);
	});

	it("hold addresses of their own family", () => {
		assert.ok(rangeHolds("10.0.0.0/8", "10.255.0.1"));
		assert.ok(rangeHolds("0.0.0.0/0", "10.255.0.1"));
		assert.ok(!rangeHolds("10.0.0.0/9", "10.255.0.1"));
		assert.ok(!rangeHolds("0.0.0.0/0", "fd00::1"));
		assert.ok(rangeHolds("fd00::/8", "fd12::1"));
	});

	it("of sources that cannot be read close both families rather than open one", () => {
		assert.deepEqual(sourceRangesOf([" 10.0.0.0/8 ", "10.0.0.0/8", ""]), ["10.0.0.0/8"]);
		assert.deepEqual(sourceRangesOf(["everybody"]), ["0.0.0.0/32", "::/128"]);
		assert.deepEqual(sourceRangesOf(["10.0.0.0/8", "2001:db8::/129"]), ["10.0.0.0/8", "0.0.0.0/32", "::/128"]);
		assert.deepEqual(sourceRangesOf([]), []);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { renderTable } from "./terminal.ts";

describe("a table", () => {
	const header = ["NAME", "STATE", "BECAUSE"];
	const rows = [
		["reviews-v1-abc", "ok", "a long reason that goes on for quite a while"],
		["details", "no", ""],
	];

	it("is whole where there is room, or nobody looks", () => {
		const whole = renderTable(header, rows, Number.POSITIVE_INFINITY);
		assert.match(whole, /^NAME {13}STATE {3}BECAUSE\n/);
		assert.match(whole, /quite a while\ndetails/);
		assert.equal(renderTable(header, rows, 69), whole);
	});

	it("fits a narrow terminal, with names whole", () => {
		const lines = renderTable(header, rows, 40).split("\n");
		assert.equal(lines[1], "reviews-v1-abc  ok     a long reason th…");
		assert.ok(lines.every((line) => line.length <= 40));
	});

	it("keeps enough of every cell to tell it from others, however narrow the terminal", () => {
		assert.match(renderTable(header, rows, 5), /reviews-v1-abc {2}ok {5}a long reas…/);
	});
});

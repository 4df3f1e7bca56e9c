import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeNameTable, encodeNameTable, type NameTable } from "./name-table-codec.ts";

const reviews = { ips: ["10.0.0.1", "fd00::1"], registry: "Kubernetes", shortname: "reviews", namespace: "default" };
const table: NameTable = new Map([
	["reviews.default.svc.cluster.local", reviews],
	["*.example.com", { ips: ["240.240.0.1"], registry: "External", shortname: "", namespace: "" }],
	[`${"x".repeat(200)}.example.com`, { ips: [], registry: "", shortname: "", namespace: "" }],
]);

describe("Istio's name table", () => {
	it("reads what it wrote", () => {
		const decoded = decodeNameTable(encodeNameTable(table));
		assert.deepEqual(new Map([...(decoded ?? [])].sort()), new Map([...table].sort()));
	});

	it("writes the bytes that the protobuf definition asks for", () => {
		const one: NameTable = new Map([["a.b", { ips: ["1.2.3.4"], registry: "", shortname: "s", namespace: "" }]]);
		const expected = [0x0a, 0x13, 0x0a, 0x03, ..."a.b"].map(code).concat([0x12, 0x0c, 0x0a, 0x07]);
		assert.deepEqual(
			[...encodeNameTable(one)],
			[...expected, ...[..."1.2.3.4"].map(code), 0x1a, 0x01, ...[..."s"].map(code)],
		);
	});

	it("gives equal tables equal bytes, whatever their order", () => {
		assert.deepEqual(encodeNameTable(new Map([...table].reverse())), encodeNameTable(table));
	});

	it("skips fields that it does not know", () => {
		const unknown = [0x18, 0x05, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4, 0x32, 0x01, 0x00];
		const bytes = Uint8Array.from([...unknown, ...encodeNameTable(table), ...unknown]);
		assert.equal(decodeNameTable(bytes)?.size, 3);
	});

	it("refuses every cut-off table instead of reading half of it", () => {
		const bytes = encodeNameTable(new Map([["a.b", reviews]]));
		for (let length = 1; length < bytes.length; length++)
			assert.equal(decodeNameTable(bytes.subarray(0, length)), undefined, `${length} bytes`);
	});
});

function code(item: number | string): number {
	return typeof item === "number" ? item : item.charCodeAt(0);
}

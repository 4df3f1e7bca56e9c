import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { BatchWriter } from "./batch-writer.ts";

describe("A writer of netlink messages", () => {
	it("writes the same wherever its memory runs out", () => {
		const write = (firstBytes: number): Buffer => {
			const writer = new BatchWriter(firstBytes);
			writer.startMessage(10, 0, 1, 2);
			writer.name(1, "table");
			const list = writer.open(2);
			writer.bytes(3, Uint8Array.of(1, 2, 3, 4, 5));
			writer.u32(4, 0xfeedbeef);
			writer.u64(5, 77n);
			writer.bytes(6, Uint8Array.of(9, 8, 7));
			writer.close(list);
			writer.endMessage();
			return writer.written();
		};
		const whole = write(4096);
		for (let bytes = 0; bytes <= whole.length; bytes++) assert.deepEqual(write(bytes), whole, `${bytes} bytes`);
	});
});

// Addresses written in place, against the parser that the rest of the program uses.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressBytes, addressText } from "../ip-text.ts";
import { writeIpv4, writeIpv6 } from "./write-address.ts";

const written = (text: string): string => {
	const bytes = Buffer.alloc(24);
	if (text.includes(":")) writeIpv6(bytes, 4, text);
	else writeIpv4(bytes, 4, text);
	assert.equal(bytes.readUInt32BE(0), 0, `${text}: nothing is written before it`);
	const length = text.includes(":") ? 16 : 4;
	assert.ok(
		bytes.subarray(4 + length).every((byte) => byte === 0),
		`${text}: nothing is written after it`,
	);
	return bytes.subarray(4, 4 + length).toString("hex");
};

describe("addresses as bytes", () => {
	it("are the same as elsewhere, in every form", () => {
		const forms =
			"::|::1|1::|fd00::1:2|fd00:1:2:3:4:5:6:7|fd00::4:5:6:7:8|1:2:3:4:5:6:7::|::2:3:4:5:6:7:8|::ffff:10.0.0.1|FE80::AbCd";
		for (const text of [...forms.split("|"), "0.0.0.0", "255.255.255.255", "10.1.2.3"])
			assert.equal(written(text), Buffer.from(addressBytes(text)).toString("hex"), text);
	});

	it("are the same for any group of zeros and lengths", () => {
		for (let pattern = 0; pattern < 256; pattern++) {
			const groups = Array.from({ length: 8 }, (_, index) => ((pattern >> index) & 1 ? 0 : 0x1 << (index * 2)));
			const bytes = Buffer.from(groups.flatMap((group) => [group >> 8, group & 255]));
			assert.equal(written(addressText(bytes)), bytes.toString("hex"));
		}
	});

	for (const text of "|1|10.0.0|10.0.0.256|10.0.0.1.2|10..0.1|a.b.c.d|1:2|:1::|1::2::3|1:2:3:4:5:6:7:8:9|12345::|g::|1:|:1:2:3:4:5:6:7:8".split(
		"|",
	))
		it(`refuses ${JSON.stringify(text)}`, () => {
			assert.throws(() => written(text));
		});
});

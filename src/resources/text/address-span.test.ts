import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { addressOf, numberOf, parseAddressSpan, spanHolds } from "./address-span.ts";

const texts = (text: string): readonly string[] | undefined => {
	const span = parseAddressSpan(text);
	return span && [addressOf(span.family, span.first), addressOf(span.family, span.last)];
};

describe("addresses from one to another", () => {
	it("are two addresses, a range of a length, or one address", () => {
		assert.deepEqual(texts("10.0.0.5 - 10.0.1.9"), ["10.0.0.5", "10.0.1.9"]);
		assert.deepEqual(texts("10.0.0.17/28"), ["10.0.0.16", "10.0.0.31"]);
		assert.deepEqual(texts("10.0.0.7"), ["10.0.0.7", "10.0.0.7"]);
		assert.deepEqual(texts("2001:db8::100-2001:db8::1ff"), ["2001:db8::100", "2001:db8::1ff"]);
		assert.deepEqual(texts("2001:db8::/126"), ["2001:db8::", "2001:db8::3"]);
	});

	it("are nothing else", () => {
		for (const text of [
			"",
			"edge",
			"10.0.0.1-",
			"10.0.0.9-10.0.0.1",
			"10.0.0.1-::1",
			"10.0.0.0/33",
			"1.2.3.4/24-1.2.3.9",
		])
			assert.equal(parseAddressSpan(text), undefined, text);
	});

	it("hold an address of their family only", () => {
		const span = parseAddressSpan("0.0.0.0/0");
		const address = numberOf("::1");
		assert.ok(span && address);
		assert.equal(spanHolds(span, address), false);
	});

	it("are written as RFC 5952 has it", () => {
		for (const text of ["::", "::1", "2001:db8::", "2001:db8:0:1:1:1:1:1", "2001:db8::1:0:0:1", "1:0:2::3"]) {
			const number = numberOf(text);
			assert.ok(number);
			assert.equal(addressOf(number.family, number.value), text);
		}
	});
});

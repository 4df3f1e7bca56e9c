import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { listenAddressOf } from "./listen-address.ts";

describe("where to listen", () => {
	it("is an address or a name, and a port", () => {
		assert.deepEqual(listenAddressOf("127.0.0.1:9000"), { host: "127.0.0.1", port: 9000 });
		assert.deepEqual(listenAddressOf("localhost:0"), { host: "localhost", port: 0 });
	});

	it("has an IPv6 address in brackets", () => {
		assert.deepEqual(listenAddressOf("[::1]:9000"), { host: "::1", port: 9000 });
		assert.equal(listenAddressOf("::1:9000"), undefined);
	});

	it("is nothing without a port", () => {
		for (const text of ["", "9000", ":9000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http"])
			assert.equal(listenAddressOf(text), undefined, text);
	});
});

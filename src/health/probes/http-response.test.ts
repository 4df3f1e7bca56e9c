// Answers whole and in single bytes, good and broken ones.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HttpResponseReader } from "./http-response.ts";

function read(text: string, ends: boolean, chunk: number): string {
	const reader = new HttpResponseReader();
	const bytes = Buffer.from(text);
	for (let at = 0; at < bytes.length; at += chunk) {
		const progress = reader.push(bytes.subarray(at, at + chunk));
		if (progress.type !== "more") return describeProgress(progress);
	}
	return ends ? describeProgress(reader.end()) : "more";
}

function describeProgress(progress: ReturnType<HttpResponseReader["push"]>): string {
	if (progress.type === "done")
		return `${progress.response.status}${progress.response.keepsAlive ? " keep-alive" : " close"}`;
	return progress.type === "bad" ? progress.because : "more";
}

const table: readonly (readonly [name: string, text: string, ends: boolean, expected: string])[] = [
	["a body of a known length", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nLIVE", false, "200 keep-alive"],
	["a body that is still coming", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nLIVE", false, "more"],
	[
		"a body that is cut off",
		"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nLIVE",
		true,
		"connection closed in the middle of HTTP 200",
	],
	["chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", false, "200 keep-alive"],
	["no chunk at all", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "200 keep-alive"],
	["chunks that are still coming", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", false, "more"],
	["no length: to the end of the connection", "HTTP/1.1 200 OK\r\n\r\nabc", true, "200 close"],
	["no body", "HTTP/1.1 204 No Content\r\n\r\n", false, "204 keep-alive"],
	[
		"a connection that the server closes",
		"HTTP/1.1 503 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
		false,
		"503 close",
	],
	["HTTP/1.0", "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false, "200 close"],
	[
		"an interim answer first",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
		false,
		"404 keep-alive",
	],
	["no reason phrase", "HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", false, "200 keep-alive"],
	["something else than HTTP", "SSH-2.0-OpenSSH\r\n\r\n", false, "no HTTP answer"],
	["a header without end", `HTTP/1.1 200 OK\r\nX: ${"x".repeat(20_000)}`, false, "header too long"],
	["nothing", "", true, "connection closed without an answer"],
];

describe("reading an HTTP response", () => {
	for (const [name, text, ends, expected] of table)
		it(name, () => {
			assert.equal(read(text, ends, 100_000), expected);
			assert.equal(read(text, ends, 1), expected, "byte by byte");
		});

	it("does not wait for the rest of an endless body", () => {
		const reader = new HttpResponseReader();
		reader.push(Buffer.from("HTTP/1.1 200 OK\r\n\r\n"));
		let progress = reader.push(Buffer.alloc(65_536));
		for (let count = 0; count < 16 && progress.type === "more"; count++) progress = reader.push(Buffer.alloc(65_536));
		assert.equal(progress.type, "done");
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { countsOf } from "./request-counts.ts";

const stats = [
	"http.inbound_0.0.0.0_8080.downstream_rq_completed: 10",
	"http.inbound_0.0.0.0_8080.downstream_rq_5xx: 2",
	"http.inbound_0.0.0.0_9090.downstream_rq_completed: 5",
	"http.outbound_0.0.0.0_80.downstream_rq_completed: 7",
	"http.outbound_0.0.0.0_80.downstream_rq_5xx: 1",
	"http.admin.downstream_rq_completed: 99",
	"",
].join("\n");

describe("how a proxy's requests end", () => {
	it("is summed over ports: what comes in, and what its application sends", () => {
		assert.deepEqual(countsOf(stats, "sidecar", 3), {
			requests: { total: 15, serverErrors: 2, atMs: 3 },
			calls: { total: 7, serverErrors: 1, atMs: 3 },
		});
	});

	it("is one sum for a gateway", () => {
		assert.deepEqual(countsOf(stats, "router", 3), { requests: { total: 22, serverErrors: 3, atMs: 3 } });
	});

	it("is nothing yet for one that had no request", () => {
		assert.deepEqual(countsOf("", "sidecar", 3).requests, { total: 0, serverErrors: 0, atMs: 3 });
	});
});

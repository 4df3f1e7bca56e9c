import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { countHandshakes } from "./handshakes.ts";

describe("TLS handshakes of an Envoy", () => {
	it("are those that its inbound listener took, and those that failed on either side", () => {
		const stats = [
			"cluster.outbound|8080||server.ssl.connection_error: 2",
			"cluster.outbound|8080||server.ssl.handshake: 40",
			"listener.0.0.0.0_15006.ssl.connection_error: 1",
			"listener.0.0.0.0_15006.ssl.fail_verify_san: 3",
			"listener.0.0.0.0_15006.ssl.handshake: 17",
			"listener.0.0.0.0_15006.worker_0.ssl.handshake: no number",
		].join("\n");
		assert.deepEqual(countHandshakes(stats), { made: 17, failed: 6 });
	});
});

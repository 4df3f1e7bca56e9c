// Tracked connections in memory.

import assert from "node:assert/strict";
import { it } from "node:test";
import { FakeConntrackTable } from "./fake-conntrack-table.ts";

it("forgets what is stale, of translated UDP flows only", () => {
	const table = new FakeConntrackTable();
	const original = { source: "10.0.0.1", sourcePort: 4000, destination: "10.96.0.1", destinationPort: 53 };
	const status = { seenReply: true, assured: false, sourceTranslated: false, destinationTranslated: true };
	const reply = { source: "10.1.0.1", sourcePort: 53, destination: "10.0.0.1", destinationPort: 4000 };
	table.add({ original, reply, status });
	table.add({ original, reply: { ...reply, source: "10.1.0.2" }, status });
	table.add({ original, reply, status, protocol: "tcp" });
	const direct = table.add({ original });
	assert.deepEqual(
		table.deleteStaleUdp((flow) => flow.reply.source !== "10.1.0.2"),
		{ ok: true, looked: 2, deleted: 1 },
	);
	const listed = table.list({ protocol: "udp", destinationTranslated: false });
	assert.deepEqual(listed, { ok: true, flows: [direct] });
	assert.equal(table.flows.length, 3);
});

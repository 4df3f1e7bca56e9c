import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connectionsOf, parseStats, readinessOf } from "./envoy-stats.ts";

const both = "cluster_manager.cds.update_success: 1\nlistener_manager.lds.update_success: 2\n";

describe("readiness of an Envoy", () => {
	it("needs the server live, and clusters and listeners taken at least once", () => {
		assert.deepEqual(readinessOf("LIVE\n", both), { ready: true });
		const because = (ready: string, stats: string) => {
			const readiness = readinessOf(ready, stats);
			return readiness.ready ? "ready" : readiness.because;
		};
		assert.equal(because("", both), "Envoy says nothing");
		assert.equal(because("PRE_INITIALIZING\n", both), "Envoy says PRE_INITIALIZING");
		assert.match(because("LIVE\n", both.replace("lds.update_success: 2", "lds.update_success: 0")), /no listeners/);
		assert.match(because("LIVE\n", "listener_manager.lds.update_success: 1\n"), /no clusters/);
	});
});

describe("open connections of an Envoy", () => {
	const stats = [
		"listener.0.0.0.0_15006.downstream_cx_active: 3",
		"listener.0.0.0.0_15006.worker_0.downstream_cx_active: 3",
		"listener.0.0.0.0_15001.downstream_cx_active: 0",
		"listener.0.0.0.0_9080.downstream_cx_active: 2",
		"listener.0.0.0.0_15021.downstream_cx_active: 1",
		"listener.0.0.0.0_15020.downstream_cx_active: 1",
		"listener.0.0.0.0_15090.downstream_cx_active: 1",
		"listener.127.0.0.1_15000.downstream_cx_active: 1",
		"listener.admin.downstream_cx_active: 1",
		"listener./state/pods/x/app.sock.downstream_cx_active: 1",
	].join("\n");

	it("are the inbound listener's and all others', without Keepmesh's own", () => {
		assert.deepEqual(connectionsOf(stats, "sidecar"), { inbound: 3, outbound: 2 });
	});

	it("of a gateway are all inbound", () => {
		assert.deepEqual(connectionsOf(stats, "router"), { inbound: 5, outbound: 0 });
	});

	it("are read from lines of names and numbers only", () => {
		assert.deepEqual(
			[...parseStats("a: 1\nb: P0(1,2)\n\nc.d: 2: 3\n")],
			[
				["a", 1],
				["c.d: 2", 3],
			],
		);
	});
});

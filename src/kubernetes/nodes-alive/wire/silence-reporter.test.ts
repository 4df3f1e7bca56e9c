import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLog } from "../../../runtime/log.ts";
import { VirtualClock } from "../../../runtime/virtual-clock.ts";
import { decodeSilenceReport } from "../silence-report.ts";
import { SilenceReporter } from "./silence-reporter.ts";

function node() {
	const clock = new VirtualClock();
	const received: string[] = [];
	const state = { upstreams: ["a", "b"], hasJoined: true, refuses: new Set<string>(), closed: [] as string[] };
	const reporter = new SilenceReporter({
		node: "n1",
		upstreams: () => state.upstreams.map((host) => ({ host, port: 15_012 })),
		security: () => (state.hasJoined ? "plaintext" : undefined),
		caller: ({ host }) => ({
			call: async (_, { message }) => {
				const decoded = decodeSilenceReport(message);
				assert.ok(decoded.ok);
				received.push(`${host}: ${decoded.report.silent.map((one) => one.node).join()}`);
				if (state.refuses.has(host)) throw new Error("ECONNREFUSED");
				return new Uint8Array();
			},
			close: () => state.closed.push(host),
		}),
		clock,
		log: silentLog,
	});
	const settle = async (): Promise<void> => {
		for (let turn = 0; turn < 5; turn++) await Promise.resolve();
	};
	return { clock, received, reporter, settle, state };
}

const n2 = [{ node: "n2", forMs: 500 }];

describe("reports of silence", () => {
	it("go to every control plane at once, and keep connections open meanwhile", async () => {
		const { clock, received, reporter } = node();
		reporter.report([]);
		assert.deepEqual(received.splice(0), ["a: ", "b: "]);
		reporter.report(n2);
		assert.deepEqual(received.splice(0), ["a: n2", "b: n2"]);
		reporter.report([]);
		assert.deepEqual(received.splice(0), ["a: ", "b: "]);
		clock.advance(9_999);
		assert.deepEqual(received, []);
		clock.advance(1);
		assert.deepEqual(received, ["a: ", "b: "]);
	});

	it("are said again soon while one does not take them", async () => {
		const { clock, received, reporter, settle, state } = node();
		state.refuses.add("b");
		reporter.report(n2);
		await settle();
		received.length = 0;
		clock.advance(100);
		assert.deepEqual(received.splice(0), ["a: n2", "b: n2"]);
		state.refuses.clear();
		await settle();
		clock.advance(100);
		await settle();
		received.length = 0;
		clock.advance(5_000);
		assert.deepEqual(received, [], "taken is taken");
	});

	it("wait for the node to have joined, and follow who the control planes are", async () => {
		const { clock, received, reporter, state } = node();
		state.hasJoined = false;
		reporter.report(n2);
		assert.deepEqual(received, []);
		state.hasJoined = true;
		clock.advance(100);
		assert.deepEqual(received.splice(0), ["a: n2", "b: n2"]);
		state.upstreams = ["b", "c"];
		reporter.report([]);
		assert.deepEqual(received.splice(0), ["b: ", "c: "]);
		assert.deepEqual(state.closed, ["a"]);
		reporter.close();
		clock.advance(60_000);
		assert.deepEqual(received, []);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ServingReport } from "../../hotswitch/serving-report.ts";
import { encodeServingAnswer } from "../../hotswitch/serving-report-codec.ts";
import type { SwitchRecord } from "../../hotswitch/switch-record.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { ReplicaReports } from "./replica-reports.ts";

const record = (n: number): SwitchRecord => ({
	id: `n1/1/${n}`,
	atMs: n,
	node: "n1",
	namespace: "shop",
	pod: "web-1",
	from: "sidecar",
	to: "direct",
	cause: "exited",
	because: "it ended",
	by: "keepmesh",
});

/** A control plane whose answers the test gives. */
function control() {
	const clock = new VirtualClock();
	const received: ServingReport[] = [];
	const open: { resolve(bytes: Uint8Array): void; reject(error: Error): void }[] = [];
	const records: SwitchRecord[] = [];
	let sequence = 0;
	let ended = (): void => {};
	const reports = new ReplicaReports({
		control: "control-1:15012",
		channel: (onEnded) => {
			ended = onEnded;
			return {
				send: (message) => {
					received.push(JSON.parse(new TextDecoder().decode(message)) as ServingReport);
					const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
					open.push({ resolve, reject });
					return promise;
				},
				close: () => {},
			};
		},
		compose: (events) => ({ node: "n1", agentMs: 1, sequence: ++sequence, pods: [], events }),
		switches: {
			get count() {
				return records.length;
			},
			since: (count) => records.slice(count),
		},
		clock,
		log: silentLog,
		random: () => 0.5,
	});
	const settle = async (): Promise<void> => {
		for (let turn = 0; turn < 5; turn++) await Promise.resolve();
	};
	return {
		clock,
		received,
		records,
		reports,
		sessionEnds: () => ended(),
		answer: async (instance = "a"): Promise<void> => {
			open.shift()?.resolve(encodeServingAnswer({ instance, refused: [] }));
			await settle();
		},
		refuse: async (because = "ECONNREFUSED"): Promise<void> => {
			open.shift()?.reject(new Error(because));
			await settle();
		},
		/** Ids of the switches in the last report. */
		lastEvents: () => received.at(-1)?.events.map(({ id }) => id),
	};
}

describe("reports to a control plane", () => {
	it("go out at once, and again every few seconds", async () => {
		const { answer, clock, received, reports } = control();
		reports.reportNow();
		assert.equal(received.length, 1);
		await answer();
		clock.advance(2_999);
		assert.equal(received.length, 1);
		clock.advance(1);
		assert.equal(received.length, 2);
	});

	it("are not held up by one that is under way, up to a few of them", async () => {
		const { answer, received, reports } = control();
		for (let n = 0; n < 6; n++) reports.reportNow();
		assert.equal(received.length, 4);
		await answer();
		assert.equal(received.length, 5, "what was missed goes as one");
		await answer();
		assert.equal(received.length, 5);
		assert.deepEqual(
			received.map(({ sequence }) => sequence),
			[1, 2, 3, 4, 5],
		);
	});

	it("are tried again soon, then less often, while nobody takes them", async () => {
		const { clock, received, refuse, reports } = control();
		reports.reportNow();
		const gaps: number[] = [];
		for (let n = 0; n < 6; n++) {
			await refuse();
			const before = received.length;
			let ms = 0;
			for (; received.length === before; ms++) clock.advance(1);
			gaps.push(ms);
		}
		assert.deepEqual(gaps, [100, 200, 400, 800, 1_000, 1_000]);
		assert.equal(reports.status().because, "ECONNREFUSED");
	});

	it("begin anew as soon as the connection has ended, not at the next renewal", async () => {
		const { answer, clock, received, reports, sessionEnds } = control();
		reports.reportNow();
		await answer();
		sessionEnds();
		clock.advance(100);
		assert.equal(received.length, 2);
	});

	it("leave one alone for long that does not know them", async () => {
		const { clock, received, refuse, reports } = control();
		reports.reportNow();
		await refuse("/keepmesh.node.v1.Serving/Report: grpc-status 12 no such method");
		clock.advance(29_999);
		assert.equal(received.length, 1);
		clock.advance(1);
		assert.equal(received.length, 2);
	});

	it("carry each switch until it is confirmed, and all of them for a control plane that began anew", async () => {
		const { answer, clock, lastEvents, records, refuse, reports } = control();
		records.push(record(1));
		reports.reportNow();
		assert.deepEqual(lastEvents(), ["n1/1/1"]);
		await refuse();
		records.push(record(2));
		clock.advance(100);
		assert.deepEqual(lastEvents(), ["n1/1/1", "n1/1/2"]);
		await answer("a");
		reports.reportNow();
		assert.deepEqual(lastEvents(), []);
		await answer("b");
		assert.deepEqual(lastEvents(), ["n1/1/1", "n1/1/2"], "at once");
	});

	it("end with the agent", async () => {
		const { answer, clock, received, reports } = control();
		reports.reportNow();
		await answer();
		reports.close();
		clock.advance(60_000);
		reports.reportNow();
		assert.equal(received.length, 1);
	});
});

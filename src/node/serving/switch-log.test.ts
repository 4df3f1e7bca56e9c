import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { SwitchLog } from "./switch-log.ts";

const what = (atMs: number) =>
	({
		atMs,
		namespace: "shop",
		pod: "web-1",
		from: "sidecar",
		to: "direct",
		cause: "bypass",
		because: "bypass by anna: upgrade",
		by: "anna",
	}) as const;

describe("the switches of a node", () => {
	let directory = "";
	const open = (agentMs: number, keep?: number) =>
		new SwitchLog(
			{ file: join(directory, "switches.jsonl"), node: "n1", agentMs, ...(keep === undefined ? {} : { keep }) },
			silentLog,
		);
	beforeEach(() => {
		directory = mkdtempSync(join(tmpdir(), "keepmesh-switches-"));
	});
	afterEach(() => rmSync(directory, { recursive: true }));

	it("are there for the next agent, with who, when and why", () => {
		const added = open(5).add(what(1));
		assert.equal(added.id, "n1/5/1");
		assert.deepEqual(open(9).records, [added]);
		assert.equal(open(9).add(what(2)).id, "n1/9/2", "an id is never given twice");
		assert.equal(statSync(join(directory, "switches.jsonl")).mode & 0o777, 0o600);
	});

	it("are kept in a bounded number, in memory and on disk", () => {
		const log = open(1, 10);
		for (let n = 1; n <= 100; n++) log.add(what(n));
		assert.deepEqual([log.records.length, log.records[0]?.atMs, log.count], [10, 91, 100]);
		const lines = readFileSync(join(directory, "switches.jsonl"), "utf8").trim().split("\n");
		assert.ok(lines.length <= 20, String(lines.length));
		assert.equal(open(2, 10).records.at(-1)?.atMs, 100);
	});

	it("can be asked for from a number on, as far as they are kept", () => {
		const log = open(1, 3);
		for (let n = 1; n <= 5; n++) log.add(what(n));
		const since = (count: number) => log.since(count).map(({ atMs }) => atMs);
		assert.deepEqual([since(4), since(5), since(0)], [[5], [], [3, 4, 5]]);
	});

	it("survive a line that was cut off", () => {
		open(1).add(what(1));
		appendFileSync(join(directory, "switches.jsonl"), '{"id":"n1/1/2","atM\n');
		assert.equal(open(2).records.length, 1);
	});

	it("go on when the disk does not take them", () => {
		const log = open(1);
		rmSync(directory, { recursive: true });
		assert.equal(log.add(what(1)).atMs, 1);
		assert.equal(log.records.length, 1);
		directory = mkdtempSync(join(tmpdir(), "keepmesh-switches-"));
	});
});

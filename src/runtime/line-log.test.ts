import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startLineLog } from "./line-log.ts";

describe("a log that never waits", () => {
	it("writes one line of JSON for each event, facts and all", () => {
		const lines: string[] = [];
		const log = startLineLog({ facts: { part: "vip" }, write: (line) => lines.push(line) > 0 });
		log.warn({ because: 'a "quoted"\nreason' }, "something happened");
		log.debug({}, "not worth a line");
		assert.equal(lines.length, 1);
		const { time, ...rest } = JSON.parse(lines[0] ?? "");
		assert.deepEqual(rest, { level: "warn", part: "vip", because: 'a "quoted"\nreason', msg: "something happened" });
		assert.match(time, /^\d{4}-\d\d-\d\dT/);
	});

	it("drops lines that cannot be written at once, and says how many with the next one", () => {
		const lines: string[] = [];
		let full = true;
		const log = startLineLog({ write: (line) => !full && lines.push(line) > 0 });
		log.info({}, "one");
		log.info({}, "two");
		full = false;
		log.info({}, "three");
		log.info({}, "four");
		assert.deepEqual(
			lines.map((line) => JSON.parse(line).droppedLines),
			[2, undefined],
		);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { compareRevisions, nextEpoch, parseRevisionLabel, renderRevisionLabel } from "./revision.ts";

describe("revisions", () => {
	it("are ordered by epoch, then by counter", () => {
		const sorted = ["7.2", "6.900", "7.10", "7.0"]
			.map((text) => parseRevisionLabel(text)?.has ?? { epoch: 0, counter: 0 })
			.sort(compareRevisions);
		assert.deepEqual(
			sorted.map(({ epoch, counter }) => `${epoch}.${counter}`),
			["6.900", "7.0", "7.2", "7.10"],
		);
	});

	it("say what a replica has and what it may have, and are read back", () => {
		const still = { has: { epoch: 7, counter: 3 }, mayHave: { epoch: 7, counter: 3 } };
		const busy = { has: { epoch: 7, counter: 3 }, mayHave: { epoch: 8, counter: 1 } };
		assert.equal(renderRevisionLabel(still), "7.3");
		assert.equal(renderRevisionLabel(busy), "7.3~8.1");
		assert.deepEqual(parseRevisionLabel("7.3"), still);
		assert.deepEqual(parseRevisionLabel("7.3~8.1"), busy);
		for (const text of ["", "7", "7.x", "7.3~", "-1.3", "7.3~8", "0123456789abcdef"])
			assert.equal(parseRevisionLabel(text), undefined, text);
	});

	it("begin each epoch above what is known, also when the clock was put back, and when nothing is known any more", () => {
		assert.deepEqual(nextEpoch({ epoch: 900, counter: 5 }, 1_000_000), { epoch: 1000, counter: 0 });
		assert.deepEqual(nextEpoch({ epoch: 1500, counter: 5 }, 1_000_000), { epoch: 1501, counter: 0 });
		assert.deepEqual(nextEpoch({ epoch: 0, counter: 0 }, 1_000_999), { epoch: 1000, counter: 0 });
	});
});

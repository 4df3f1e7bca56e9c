import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { overlapsOf, unownedMs, withoutCuts } from "./owner-spans.ts";
import { changesOfOwner, handOverTo, longestGapMs, lostProbes, type ProbeRecord } from "./probe-record.ts";

/** A probe each millisecond, answered at once by the node of that letter; a dot is nobody. */
function recordOf(nodes: string): ProbeRecord {
	const letters = [...nodes];
	return {
		sentUs: letters.map((_, index) => index * 1000),
		answers: letters.flatMap((node, probe) => (node === "." ? [] : [{ probe, atUs: probe * 1000 + 100, node }])),
		mostLateUs: 0,
	};
}

describe("a record of probes", () => {
	it("tells how long nobody answered between two owners", () => {
		const record = recordOf("aaaa......bbbb");
		assert.deepEqual(handOverTo("b", record, 3_500), { gapMs: 7, afterFaultMs: 6.6, answersOfOld: 0 });
		assert.equal(longestGapMs(record, 0, 14_000), 7);
		assert.equal(lostProbes(record, 0, 14_000), 6);
		assert.equal(changesOfOwner(record), 1);
	});

	it("counts answers of the old owner that were asked for after the new one's first", () => {
		assert.equal(handOverTo("b", recordOf("aaabababb"), 2_500)?.answersOfOld, 2);
	});

	it("knows no hand-over when the new owner never answers", () => {
		assert.equal(handOverTo("b", recordOf("aaaa...."), 3_500), undefined);
	});

	it("counts the silence until the end as a gap", () => {
		assert.equal(longestGapMs(recordOf("aaaa"), 0, 50_000), 46.9);
	});
});

describe("spans of owners", () => {
	it("overlap where two nodes held the address, not where one held it twice", () => {
		const spans = [
			{ node: "a", fromUs: 0, toUs: 5_000 },
			{ node: "a", fromUs: 4_000, toUs: 4_500 },
			{ node: "b", fromUs: 3_000 },
		];
		assert.deepEqual(overlapsOf(spans, 9_000), [
			{ fromUs: 3_000, lengthMs: 2 },
			{ fromUs: 4_000, lengthMs: 0.5 },
		]);
	});

	it("are nobody's while their node is cut off", () => {
		const spans = [
			{ node: "a", fromUs: 0 },
			{ node: "b", fromUs: 3_000, toUs: 9_000 },
		];
		assert.deepEqual(withoutCuts(spans, [{ node: "a", fromUs: 2_000, toUs: 8_000 }]), [
			{ node: "a", fromUs: 0, toUs: 2_000 },
			{ node: "a", fromUs: 8_000 },
			{ node: "b", fromUs: 3_000, toUs: 9_000 },
		]);
		assert.deepEqual(withoutCuts(spans, [{ node: "b", fromUs: 2_000 }]), [{ node: "a", fromUs: 0 }]);
	});

	it("leave a time in which nobody held it", () => {
		const spans = [
			{ node: "b", fromUs: 7_000 },
			{ node: "a", fromUs: 0, toUs: 5_000 },
		];
		assert.equal(unownedMs(spans, 1_000, 9_000), 2);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { SpareWords } from "./spare-words.ts";

function rig() {
	const clock = new VirtualClock();
	const said: string[] = [];
	const words = new SpareWords(
		(uid, word) => said.push(`${uid} ${word.type}${word.type === "spareDown" ? `: ${word.because}` : ""}`),
		{ clock, log: silentLog },
	);
	words.add("a", "default/a");
	words.add("b", "default/b");
	return { clock, said, words };
}

describe("what pods are told of the spare", () => {
	it("is said when it changes, and not again", () => {
		const { said, words } = rig();
		words.judged("a", { state: "serves" });
		words.judged("a", { state: "serves" });
		words.judged("a", { state: "refused", because: "no" });
		assert.deepEqual(said, ["a spareUp", "a spareDown: no"]);
	});

	it("stays what it was while a change is under way, for a while", () => {
		const { clock, said, words } = rig();
		words.judged("a", { state: "serves" });
		words.judged("a", { state: "pending", because: "late" });
		clock.advance(4_999);
		words.judged("a", { state: "pending", because: "late" });
		assert.deepEqual([said, words.isPending], [["a spareUp"], true]);
		clock.advance(1);
		words.judged("a", { state: "pending", because: "late" });
		assert.deepEqual([said.at(-1), words.isPending], ["a spareDown: late", false]);
	});

	it("does not take back what an earlier agent has said before it is known to be wrong", () => {
		const { said, words } = rig();
		words.judged("a", { state: "pending", because: "the spare is starting" });
		assert.deepEqual(said, []);
		words.lost("the spare ended");
		assert.deepEqual(said, ["a spareDown: the spare ended", "b spareDown: the spare ended"]);
	});

	it("gives those that are not served their time anew with each change", () => {
		const { clock, words } = rig();
		words.judged("a", { state: "pending", because: "late" });
		clock.advance(6_000);
		assert.equal(words.isPending, false);
		words.changed();
		words.judged("a", { state: "pending", because: "late" });
		assert.equal(words.isPending, true);
	});
});

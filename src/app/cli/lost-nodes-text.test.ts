import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { LostNodesStatus } from "../control/lost-nodes.ts";
import { lostNodesLines } from "./lost-nodes-text.ts";

const nothing: LostNodesStatus = { nodes: 3, lost: [], suspected: [], held: [] };
const n2 = { node: "n2", sinceMs: 1_000, observers: ["n1", "n3"] };
const textsOf = (...all: readonly LostNodesStatus[]) => lostNodesLines(all, 13_000).map(({ text }) => text);

describe("what is said of nodes", () => {
	it("is nothing where none sends heartbeats", () => {
		assert.deepEqual(textsOf(), []);
		assert.deepEqual(textsOf({ ...nothing, nodes: 0 }), []);
	});

	it("is that all is well, or which are lost, since when and by whom", () => {
		assert.deepEqual(textsOf(nothing), ["nodes: 3 send heartbeats, none is lost"]);
		assert.deepEqual(textsOf(nothing, { ...nothing, lost: [n2] }, { ...nothing, lost: [n2] }), [
			"node n2 is lost since 12s: not heard by n1, n3; its pods get no connections",
		]);
	});

	it("names what to look at when most are silent at once", () => {
		const [text = ""] = textsOf({ ...nothing, held: ["n3", "n2"] });
		assert.match(text, /n2, n3; is 15029\/UDP open/);
	});
});

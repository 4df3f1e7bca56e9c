import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../runtime/seeded-random.testing.ts";
import { applyJsonPatch } from "./json-patch.testing.ts";
import { planJsonPatch } from "./json-patch.ts";

describe("a JSON patch", () => {
	it("is empty when nothing differs, absent and undefined being the same", () => {
		assert.deepEqual(planJsonPatch({ a: [1, { b: undefined }] }, { a: [1, {}], c: undefined }), []);
	});

	it("adds a container in front without touching those behind it", () => {
		const before = { spec: { containers: [{ name: "a" }, { name: "b" }] } };
		const after = { spec: { containers: [{ name: "proxy" }, { name: "a" }, { name: "b" }] } };
		assert.deepEqual(planJsonPatch(before, after), [
			{ op: "add", path: "/spec/containers/0", value: { name: "proxy" } },
		]);
	});

	it("changes a field of a container that moved", () => {
		const before = { list: [{ name: "a", port: 80 }] };
		const after = { list: [{ name: "proxy" }, { name: "a", port: 15020 }] };
		assert.deepEqual(planJsonPatch(before, after), [
			{ op: "add", path: "/list/0", value: { name: "proxy" } },
			{ op: "replace", path: "/list/1/port", value: 15020 },
		]);
	});

	it("escapes what annotations are named with", () => {
		const patch = planJsonPatch({ annotations: {} }, { annotations: { "sidecar.istio.io/status": "x", "a~b": "y" } });
		assert.deepEqual(
			patch.map(({ path }) => path),
			["/annotations/sidecar.istio.io~1status", "/annotations/a~0b"],
		);
	});

	it("makes the one into the other, whatever they are", () => {
		const random = seededRandom(7);
		const below = (bound: number): number => Math.floor(random() * bound);
		const anything = (depth: number): unknown => {
			const kind = below(depth > 3 ? 3 : 6);
			if (kind < 2) return below(3);
			if (kind === 2) return [null, true, "text"][below(3)];
			if (kind === 3) return Array.from({ length: below(4) }, () => anything(depth + 1));
			if (kind === 4) return Array.from({ length: below(4) }, () => ({ name: "abc"[below(3)], value: below(2) }));
			return Object.fromEntries(
				["a", "b/c", "d~"].filter(() => below(2) === 0).map((key) => [key, anything(depth + 1)]),
			);
		};
		for (let round = 0; round < 3000; round++) {
			const [before, after] = [anything(0), anything(0)];
			assert.deepEqual(applyJsonPatch(before, planJsonPatch(before, after)), after, JSON.stringify([before, after]));
		}
	});
});

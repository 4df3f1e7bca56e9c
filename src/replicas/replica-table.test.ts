import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AppliedState, hashOfObject } from "./applied-state.ts";
import { entriesMessage, entriesOf } from "./replica-message.ts";
import { type ReplicaEntry, ReplicaTable } from "./replica-table.ts";

const entry = (key: string, epoch: number, counter: number, hash?: string): ReplicaEntry => ({
	key,
	revision: { epoch, counter },
	...(hash === undefined ? {} : { hash }),
});
const content = (table: ReplicaTable) => [...table.entries()].map(({ key, hash }) => `${key}=${hash ?? "gone"}`).sort();

describe("the table of replicas", () => {
	it("ends the same whatever order the entries of two leaders come in", () => {
		const entries = [
			entry("a", 5, 1, "x"),
			entry("a", 6, 1, "y"),
			entry("b", 5, 9, "z"),
			entry("c", 5, 2, "c"),
			entry("c", 6, 2),
		];
		const forward = new ReplicaTable();
		const backward = new ReplicaTable();
		forward.take(entries);
		for (const one of entries.toReversed()) backward.take([one]);
		assert.deepEqual(content(forward), ["a=y", "b=z", "c=gone"]);
		assert.deepEqual(content(backward), content(forward));
		assert.deepEqual(forward.newest, { epoch: 6, counter: 2 });
	});

	it("chooses the same of two entries that were counted alike on two sides of a split", () => {
		const two = [entry("a", 5, 1, "x"), entry("a", 5, 1, "y"), entry("b", 5, 1), entry("b", 5, 1, "z")];
		const [forward, backward] = [new ReplicaTable(), new ReplicaTable()];
		for (const one of two) forward.take([one]);
		for (const one of two.toReversed()) backward.take([one]);
		assert.deepEqual(content(forward), ["a=y", "b=z"]);
		assert.deepEqual(content(backward), content(forward));
	});

	it("tells which entries were news", () => {
		const table = new ReplicaTable();
		table.take([entry("a", 5, 2, "x")]);
		const news = table.take([entry("a", 5, 1, "old"), entry("a", 5, 2, "x"), entry("b", 5, 1, "y")]);
		assert.deepEqual(
			news.map(({ key }) => key),
			["b"],
		);
	});

	it("forgets the oldest deletions when there are very many", () => {
		const table = new ReplicaTable();
		table.take(Array.from({ length: 10_001 }, (_, index) => entry(`k${index}`, 1, index + 1)));
		assert.equal(table.size, 5_000);
		assert.ok(table.get("k10000"));
	});

	it("is read back as it was written, and rows that are none are left out", () => {
		const written = entriesMessage("a", { epoch: 1, counter: 2 }, [entry("a", 1, 1, "x"), entry("b", 1, 2)]);
		assert.deepEqual(entriesOf(written), [entry("a", 1, 1, "x"), entry("b", 1, 2)]);
		const odd = { ...written, rows: [["a", "no", "x"], "b", null, ["c", "1.1", 5], ["d", "1.1", "h", "text"]] };
		assert.deepEqual(entriesOf(odd as never), [{ ...entry("d", 1, 1, "h"), text: "text" }]);
	});
});

describe("what a replica serves", () => {
	const object = (name: string, spec: object) =>
		({
			kind: "Sidecar",
			apiVersion: "networking.istio.io/v1",
			metadata: { name, namespace: "n", labels: {}, annotations: {}, createdMs: 0 },
			spec,
			origin: { file: "f", line: 1, column: 1 },
		}) as never;
	const applied = (name: string, spec: object) => ({ type: "objectApplied", object: object(name, spec) }) as const;

	it("has a revision when everything up to it is there, and may have more while something differs", () => {
		const table = new ReplicaTable();
		const state = new AppliedState(table);
		table.take([entry("Sidecar/n/a", 5, 1, hashOfObject(object("a", { x: 1 })))]);
		assert.deepEqual(state.compare(["Sidecar/n/a"]), ["Sidecar/n/a"]);
		assert.deepEqual(state.label(), { has: { epoch: 0, counter: 0 }, mayHave: { epoch: 5, counter: 2 } });
		assert.deepEqual(state.apply([applied("a", { x: 1 })]), []);
		assert.deepEqual(state.label(), { has: { epoch: 5, counter: 1 }, mayHave: { epoch: 5, counter: 1 } });
		assert.deepEqual(state.apply([applied("a", { x: 2 })]), ["Sidecar/n/a"]);
		assert.deepEqual(state.label(), { has: { epoch: 5, counter: 1 }, mayHave: { epoch: 5, counter: 2 } });
	});

	it("is told apart by what resources say, not by where they stand", () => {
		const here = object("a", { x: 1 }) as object;
		assert.equal(
			hashOfObject({ ...here, origin: { file: "g", line: 9, column: 1 } } as never),
			hashOfObject(here as never),
		);
		assert.notEqual(hashOfObject(object("a", { x: 2 })), hashOfObject(here as never));
	});
});

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { podStore } from "./pod-store.ts";
import { stateFormat, useState } from "./state-format.ts";

describe("a state directory", () => {
	const directory = mkdtempSync(join(tmpdir(), "state-format-"));
	after(() => rmSync(directory, { recursive: true }));

	it("is used by a program that is newer, and tells who had it before", async () => {
		assert.deepEqual(await useState(directory, "1.0.0"), { ok: true, before: undefined });
		const next = await useState(directory, "1.1.0");
		assert.deepEqual(next, { ok: true, before: { format: stateFormat, program: "1.0.0" } });
	});

	it("is left alone by a program that could misread it", async () => {
		writeFileSync(join(directory, "format.json"), JSON.stringify({ format: stateFormat + 1, program: "9.0.0" }));
		const used = await useState(directory, "1.1.0");
		assert.match(used.ok ? "" : used.because, /written by Keepmesh 9\.0\.0/);
		const again = await useState(directory, "1.1.0");
		assert.equal(again.ok, false);
	});

	it("has pods that the first form wrote, without places", async () => {
		const pod = { name: "a", namespace: "default", uid: "a", ip: "10.1.0.5", netns: "/run/netns/a" };
		const store = podStore(directory);
		mkdirSync(join(directory, "pods"));
		const record = { pod, process: { pid: 42, startTicks: 7 }, stopping: false };
		writeFileSync(join(directory, "pods/a.json"), JSON.stringify(record));
		const { records, problems } = await store.load();
		assert.deepEqual(problems, []);
		assert.deepEqual(
			records.map(({ pod: _, ...rest }) => rest),
			[{ process: { pid: 42, startTicks: 7 }, stopping: false }],
		);
	});
});

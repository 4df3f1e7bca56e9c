import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { keptNames } from "./kept-names.ts";
import { silentLog } from "./log.ts";

describe("names that are kept for the next process", () => {
	const directory = mkdtempSync(join(tmpdir(), "keepmesh-names-"));
	after(() => rmSync(directory, { recursive: true }));
	const path = join(directory, "nodes.json");

	it("are none where there is no file, or one that cannot be read", () => {
		assert.deepEqual(keptNames(path, silentLog).load(), []);
		writeFileSync(path, "[");
		assert.deepEqual(keptNames(path, silentLog).load(), []);
	});

	it("are those of the last time, in a file for its owner", () => {
		const kept = keptNames(path, silentLog);
		kept.save(new Set(["n2", "n1"]));
		kept.save(new Set(["n3", "n1"]));
		assert.deepEqual(keptNames(path, silentLog).load(), ["n1", "n3"]);
		assert.equal(statSync(path).mode & 0o777, 0o600);
	});

	it("are told once when they cannot be written", () => {
		let told = 0;
		const log = { ...silentLog, warn: () => void told++ };
		const kept = keptNames(join(path, "below-a-file"), log);
		kept.save(["n1"]);
		kept.save(["n2"]);
		assert.equal(told, 1);
	});
});

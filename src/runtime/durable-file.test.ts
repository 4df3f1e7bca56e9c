import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";

const directory = mkdtempSync(join(tmpdir(), "keepmesh-durable-"));
after(() => rmSync(directory, { recursive: true }));

/** Runs the code in a process whose files may not grow over 4 KiB: the first write of a longer text writes a part of it. */
function withLittleSpace(code: string): string {
	const module = new URL("durable-file.ts", import.meta.url).href;
	const script = `import { createFile, replaceFile } from ${JSON.stringify(module)};
		const long = "x".repeat(6000);
		try { console.log(${code}); } catch (error) { console.log(error.code); }`;
	const run = 'ulimit -f 4; exec "$0" --no-warnings --input-type=module -e "$1"';
	const env = { ...process.env, NODE_COMPILE_CACHE: "" };
	return spawnSync("bash", ["-c", run, process.execPath, script], { encoding: "utf8", env }).stdout.trim();
}

describe("a durable file on a disk that is full", () => {
	it("is not made at all when only a part of it can be written", () => {
		const path = join(directory, "a.json");
		assert.equal(withLittleSpace(`createFile(${JSON.stringify(path)}, long)`), "EFBIG");
		assert.deepEqual(readdirSync(directory), []);
	});

	it("stays what it was when its successor cannot be written", () => {
		const path = join(directory, "b.json");
		writeFileSync(path, "before");
		assert.equal(withLittleSpace(`replaceFile(${JSON.stringify(path)}, long)`), "EFBIG");
		assert.equal(readFileSync(path, "utf8"), "before");
		assert.deepEqual(readdirSync(directory), ["b.json"]);
	});
});

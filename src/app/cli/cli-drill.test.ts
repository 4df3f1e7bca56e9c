import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { describe, it } from "node:test";
import { cannotRun } from "../../node/namespace-rig.testing.ts";

const program = join(import.meta.dirname, "../../../bin/keepmesh.ts");
const namespacesOf = (name: string): readonly string[] =>
	execFileSync("ip", ["netns", "list"], { encoding: "utf8" })
		.split("\n")
		.filter((line) => line.startsWith(`km-${name}-`));

describe("keepmesh drill", { skip: cannotRun }, () => {
	it("takes its lab away when it is interrupted", { timeout: 60_000 }, async () => {
		const drill = spawn(process.execPath, ["--no-warnings", program, "drill", "none"], { stdio: "ignore" });
		const ended = once(drill, "exit");
		const name = `drill${(drill.pid ?? 0) % 100_000}`;
		while (namespacesOf(name).length === 0) {
			assert.equal(drill.exitCode, null, "it has not ended by itself");
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
		drill.kill("SIGTERM");
		assert.deepEqual(await ended, [143, null]);
		assert.deepEqual(namespacesOf(name), []);
	});
});

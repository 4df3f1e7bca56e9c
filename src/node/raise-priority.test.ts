import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { after, before, describe, it } from "node:test";
import { raisePriority } from "./raise-priority.ts";

describe("a process that carries connections", { skip: process.getuid?.() !== 0 && "needs root" }, () => {
	let child: ChildProcess;
	before(() => {
		child = spawn("sleep", ["20"], { detached: true, stdio: "ignore" });
	});
	after(() => child.kill("SIGKILL"));

	it("comes before others at the processor, alone and with its session", () => {
		const pid = child.pid ?? 0;
		raisePriority(pid);
		assert.equal(getPriority(pid), -10);
		const group = `/proc/${pid}/autogroup`;
		if (existsSync(group)) assert.match(readFileSync(group, "utf8"), /nice -10/);
	});

	it("may have ended already", () => {
		raisePriority(4_194_304);
	});
});

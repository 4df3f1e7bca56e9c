// A process is killed for memory by the real kernel, in a control group of its own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { countOomKills, oomKillOf } from "./oom-kill.ts";

const isV2 = existsSync("/sys/fs/cgroup/cgroup.controllers");
const group = `/sys/fs/cgroup/${isV2 ? "" : "memory/"}kmn-oom-${process.pid}`;
const allocating = `
	require("node:fs").writeFileSync("${group}/cgroup.procs", String(process.pid));
	const kept = [];
	setInterval(() => kept.push(Buffer.alloc(16 * 1024 * 1024, 1)), 5);`;

function canLimit(): boolean {
	try {
		mkdirSync(group);
		writeFileSync(`${group}/${isV2 ? "memory.max" : "memory.limit_in_bytes"}`, String(96 * 1024 * 1024));
		return true;
	} catch {
		if (existsSync(group)) rmdirSync(group);
		return false;
	}
}

describe("a process that the kernel killed for memory", {
	skip: canLimit() ? false : "needs a memory control group",
}, () => {
	it("is told from one that anybody else killed", async () => {
		const before = countOomKills();
		const greedy = spawn(process.execPath, ["-e", allocating], { stdio: "ignore" });
		const other = spawn("sleep", ["100"], { stdio: "ignore" });
		const [, signal] = await once(greedy, "exit");
		assert.equal(signal, "SIGKILL");
		other.kill("SIGKILL");
		await once(other, "exit");
		assert.match(
			oomKillOf(greedy.pid ?? 0, before) ?? "",
			/^the kernel killed it: out of memory in its control group, with \d+ MiB/,
		);
		assert.equal(oomKillOf(other.pid ?? 0, before), undefined);
		assert.equal(oomKillOf(greedy.pid ?? 0, countOomKills()), undefined, "it was before");
		rmdirSync(group);
	});
});

// A start of clusters that is stopped or killed half-way leaves nothing on the machine.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, it } from "node:test";
import { nodeProgram, setDirectory } from "../../cluster/cluster-paths.ts";
import { noCluster } from "./test-cluster.ts";

const set = "kmabort";
const main = `${import.meta.dirname}/../../cluster/main.ts`;

function cluster(...args: readonly string[]): void {
	execFileSync(nodeProgram, ["--no-warnings", main, ...args, "--name", set], { stdio: "ignore" });
}

/** Sends `signal` to `up` when it prints `when`, twice. Resolves with its exit code. */
function abortedUp(signal: NodeJS.Signals, when: string): Promise<number | null> {
	return new Promise((resolve, reject) => {
		const up = spawn(nodeProgram, ["--no-warnings", main, "up", "--nodes", "1", "--name", set], {
			stdio: ["ignore", "ignore", "pipe"],
		});
		let printed = "";
		up.stderr.setEncoding("utf8").on("data", (text: string) => {
			const isFirst = !printed.includes(when);
			printed += text;
			if (!isFirst || !printed.includes(when)) return;
			up.kill(signal);
			// At once: a process that is ending already can no longer be told anything. Two of the same would be one.
			if (signal === "SIGTERM") up.kill("SIGINT");
		});
		up.on("exit", (code) => (printed.includes(when) ? resolve(code) : reject(new Error(printed))));
	});
}

/** What there is of the set: namespaces, cgroups, processes, files. */
function traces(): readonly string[] {
	const processes = readdirSync("/proc").filter((pid) => {
		try {
			return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(setDirectory(set));
		} catch {
			return false;
		}
	});
	return [
		...readdirSync("/run/netns").filter((name) => name.startsWith(set)),
		...globSync(`/sys/fs/cgroup/{*,*/*,*/*/*}/${set}*`),
		...processes.map((pid) => `process ${pid}`),
		...(existsSync(setDirectory(set)) ? ["files"] : []),
	];
}

describe("a start that is aborted", { skip: noCluster, timeout: 300_000 }, () => {
	afterEach(() => cluster("down"));

	it("leaves nothing when it is stopped, also when it is told so twice", async () => {
		assert.equal(await abortedUp("SIGTERM", "etcd"), 69);
		assert.deepEqual(traces(), []);
	});

	it("leaves nothing after down when it was killed, while its nodes boot", async () => {
		await abortedUp("SIGKILL", "API server");
		assert.notDeepEqual(traces(), []);
		cluster("down");
		assert.deepEqual(traces(), []);
	});

	it("is cleared away by the next start", async () => {
		await abortedUp("SIGKILL", "files and networks");
		await abortedUp("SIGTERM", "etcd");
		assert.deepEqual(traces(), []);
	});
});

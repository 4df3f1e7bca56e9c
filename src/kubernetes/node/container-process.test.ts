import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, it } from "node:test";
import { podPaths } from "../../node/plan/pod-paths.ts";
import { type PodSpec, parsePodSpec } from "../../node/plan/pod-spec.ts";
import { realClock } from "../../runtime/clock.ts";
import { ContainerProcess } from "./container-process.ts";

function somePod(): PodSpec {
	const parsed = parsePodSpec({ name: "web", ip: "10.244.1.7", netns: "/proc/self/ns/net", container: {} });
	assert.ok(parsed.ok);
	return parsed.pod;
}

describe("an Envoy that kubelet starts", () => {
	const state = mkdtempSync(join(tmpdir(), "keepmesh-container-"));
	const pod = somePod();
	const paths = podPaths(state, pod.uid);
	const children: ChildProcess[] = [];
	const ends: string[] = [];
	const sleeper = async (): Promise<number> => {
		const child = spawn("sleep", ["60"], { stdio: "ignore" });
		children.push(child);
		await once(child, "spawn");
		return child.pid ?? 0;
	};
	const processWith = (): ContainerProcess =>
		new ContainerProcess(pod, paths, {
			clock: realClock,
			envoy: "/nowhere",
			bootstrapOf: (_, heartbeatMs) => ({ heartbeatMs }),
			onProcess: async () => {},
			onExit: (because) => ends.push(because),
		});
	afterEach(() => {
		for (const child of children.splice(0)) child.kill("SIGKILL");
		ends.length = 0;
	});
	after(() => rmSync(state, { recursive: true, force: true }));

	it("is waited for, with what it is to start with", async () => {
		const process = processWith();
		const started = process.start(30);
		assert.deepEqual(process.bootstrapFor(1), { heartbeatMs: 30 });
		assert.deepEqual(JSON.parse(readFileSync(paths.bootstrap, "utf8")), { heartbeatMs: 30 });
		assert.equal(process.identity, undefined);
		const pid = await sleeper();
		process.taken(pid);
		const start = await started;
		assert.ok(start.ok && start.identity.pid === pid);
		assert.equal(process.bootstrapFor(1), undefined);
		assert.deepEqual(process.bootstrapFor(pid), { heartbeatMs: 30 }, "its answer may have been lost");
		process.release();
	});

	it("has its files where its container has them", async () => {
		const process = processWith();
		void process.start();
		const pid = await sleeper();
		process.taken(pid);
		assert.equal(readlinkSync(paths.sockets), `/proc/${pid}/root/etc/istio/proxy`);
		assert.equal(existsSync(`${paths.sockets}.new`), false);
		process.release();
	});

	it("is missed at once when it ends, and the next one is waited for", async () => {
		const process = processWith();
		void process.start();
		process.taken(await sleeper());
		process.signal("SIGKILL");
		while (ends.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
		assert.deepEqual(ends, ["its process in the container ended"]);
		assert.equal(process.identity, undefined);
		void process.start();
		assert.ok(process.bootstrapFor(1));
		process.release();
	});

	it("is not started by one who asks twice", async () => {
		const process = processWith();
		void process.start();
		const [first, second] = [await sleeper(), await sleeper()];
		process.taken(first);
		process.taken(second);
		assert.equal(process.identity?.pid, first);
		process.release();
	});
});

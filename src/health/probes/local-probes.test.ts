// Scripts, files and processes, for real: in folders and processes of the test's own.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import {
	chmodSync,
	copyFileSync,
	existsSync,
	mkdtempSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, describe, it } from "node:test";
import { realClock } from "../../runtime/clock.ts";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import { parseLong } from "./file-probe.ts";
import { isBad, isGood, type Observed, observe } from "./probe.testing.ts";
import type { ProbeContext } from "./probe.ts";
import { whyUnsafe } from "./script-security.ts";
import { userIds } from "./user-ids.ts";

const folder = mkdtempSync(join(tmpdir(), "keepmesh-probes-"));
const probes: Observed[] = [];
const watch = (check: TrackerCheck, context: Partial<ProbeContext> = {}): Observed => {
	const probe = observe(check, context);
	probes.push(probe);
	return probe;
};
const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
/** A zombie whose parent has not looked yet does not. */
const runs = (pid: number): boolean => {
	try {
		return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, "latin1"));
	} catch {
		return false;
	}
};
const isRoot = process.getuid?.() === 0;
const soonMs = 2_000;
/** Without the timers by which a probe looks again: what it tells of, the kernel has told it. */
const withoutTimers: Partial<ProbeContext> = { clock: { ...realClock, after: () => () => {} } };

afterEach(() => {
	for (const probe of probes.splice(0)) probe.close();
});
after(() => rmSync(folder, { recursive: true, force: true }));

describe("script probes", () => {
	const shell = (line: string, timing = { intervalMs: 20, timeoutMs: 1000 }): TrackerCheck => ({
		type: "script",
		argv: ["/bin/sh", "-c", line],
		...timing,
	});

	it("take exit code 0 as good and any other as bad", async () => {
		const flag = join(folder, "flag");
		const probe = watch(shell(`test -e ${flag}`));
		assert.deepEqual((await probe.next()).because, "exit code 1");
		writeFileSync(flag, "");
		assert.equal((await probe.next(isGood)).because, "exit code 0");
	});

	it("say why a script cannot be started", async () => {
		const probe = watch({ type: "script", argv: [join(folder, "none")], intervalMs: 50, timeoutMs: 50 });
		assert.equal((await probe.next()).because, "cannot be started: ENOENT");
	});

	it("end a script that takes too long with its whole process group, and count it when it has ended", async () => {
		const pids = join(folder, "pids");
		const probe = watch(shell(`sleep 60 & echo $! $$ > ${pids}; wait`, { intervalMs: 10, timeoutMs: 150 }));
		const { ok, because, tookMs } = await probe.next();
		assert.deepEqual([ok, because], [false, "not done within 150 ms"]);
		assert.ok(tookMs >= 150 && tookMs < 1000, `${tookMs} ms`);
		const [sleeper] = readFileSync(pids, "utf8").trim().split(" ");
		for (let count = 0; count < 50 && runs(Number(sleeper)); count++) await pause(10);
		assert.equal(runs(Number(sleeper)), false, "the child of the script is gone as well");
	});

	it("kill a script that will not end after two seconds, and never run two at once", async () => {
		const log = join(folder, "runs");
		const line = `echo run >> ${log}; trap "" TERM; for i in 1 2 3 4 5 6 7 8 9; do sleep 1; done`;
		const probe = watch(shell(line, { intervalMs: 10, timeoutMs: 50 }));
		const { because, tookMs } = await probe.next();
		probe.close();
		assert.equal(because, "not done within 50 ms");
		assert.ok(tookMs >= 2000 && tookMs < 3000, `${tookMs} ms`);
		assert.equal(readFileSync(log, "utf8"), "run\n");
	});

	it("end what runs when the probe is closed", async () => {
		const pid = join(folder, "pid");
		const probe = watch(shell(`echo $$ > ${pid}; exec sleep 60`, { intervalMs: 10, timeoutMs: 60_000 }));
		while (!existsSync(pid) || readFileSync(pid, "utf8") === "") await pause(10);
		probe.close();
		for (let count = 0; count < 100 && existsSync(`/proc/${readFileSync(pid, "utf8").trim()}`); count++)
			await pause(10);
		assert.equal(existsSync(`/proc/${readFileSync(pid, "utf8").trim()}`), false);
	});

	it("run as the user they are told to, with the environment they are given", { skip: !isRoot }, async () => {
		const out = join(folder, "who");
		chmodSync(folder, 0o777);
		const probe = watch(shell(`echo $(id -u) $(id -G) $WHERE > ${out}.new; mv ${out}.new ${out}`), {
			scripts: { user: "nobody", security: true, environment: { WHERE: "here" } },
		});
		await probe.next(isGood);
		chmodSync(folder, 0o700);
		const ids = userIds("nobody");
		assert.ok(ids);
		assert.equal(readFileSync(out, "utf8"), `${ids.uid} ${ids.gid} here\n`);
	});

	it("refuse a user that is not there", () => {
		const probe = watch({ type: "script", argv: ["/bin/true"], user: "no-such-user", intervalMs: 1, timeoutMs: 1 });
		assert.equal(probe.probe.refused, "no user no-such-user");
	});

	it("refuse as root what others can change", { skip: !isRoot }, () => {
		const path = join(folder, "check.sh");
		writeFileSync(path, "#!/bin/sh\n", { mode: 0o755 });
		const refused = (): string | undefined =>
			watch({ type: "script", argv: [path], intervalMs: 1000, timeoutMs: 1 }, { scripts: { security: true } }).probe
				.refused;
		assert.equal(refused(), undefined);
		chmodSync(path, 0o757);
		assert.equal(refused(), `not run as root: everybody may change ${path}`);
		chmodSync(path, 0o755);
		chmodSync(folder, 0o777);
		assert.equal(refused(), `not run as root: everybody may change ${folder}`);
		chmodSync(folder, 0o700);
		assert.equal(whyUnsafe("check.sh"), "check.sh is not an absolute path");
		assert.equal(whyUnsafe("/bin/sh"), undefined);
	});
});

describe("file probes", () => {
	it("know the value when they start, and each new one at once", async (t) => {
		const path = join(folder, "value");
		writeFileSync(path, "-10\n");
		const probe = watch({ type: "file", path }, withoutTimers);
		assert.deepEqual(probe.results[0]?.value, -10);
		let next = probe.next();
		writeFileSync(path, "7");
		assert.equal((await next).value, 7);
		writeFileSync(`${path}.new`, "0x10");
		next = probe.next();
		renameSync(`${path}.new`, path);
		const { value, afterMs } = await next;
		t.diagnostic(`file: a replaced file was read after ${afterMs.toFixed(1)} ms`);
		assert.equal(value, 16);
		assert.ok(afterMs < soonMs, `${afterMs} ms`);
		next = probe.next();
		rmSync(path);
		assert.deepEqual((await next).value, 0);
		assert.match(probe.results.at(-1)?.because ?? "", /is not there: 0$/);
		assert.deepEqual(
			probe.results.map((result) => result.value),
			[-10, 7, 16, 0],
			"a file is not read while it is being written",
		);
	});

	it("write a first value when there is none, or always when told so", () => {
		const path = join(folder, "initial");
		watch({ type: "file", path, initial: 5 });
		assert.equal(readFileSync(path, "utf8"), "5\n");
		watch({ type: "file", path, initial: 6 });
		assert.equal(readFileSync(path, "utf8"), "5\n");
		assert.equal(watch({ type: "file", path, initial: 6, overwrites: true }).results[0]?.value, 6);
	});

	it("find a folder that comes later", async () => {
		const later = join(folder, "later");
		const probe = watch({ type: "file", path: join(later, "value") });
		assert.equal(probe.results[0]?.value, 0);
		const next = probe.next();
		const { mkdirSync } = await import("node:fs");
		mkdirSync(later);
		writeFileSync(join(later, "value"), "3");
		assert.equal((await next).value, 3);
	});

	it("read numbers as strtol does, and keep them within 254", () => {
		const numbers = ["12", " -7x", "+3", "0x1F", "-0x10", "010", "0", "", "abc", "-", "99999"].map(parseLong);
		assert.deepEqual(numbers, [12, -7, 3, 31, -16, 8, 0, 0, 0, 0, 99999]);
		const path = join(folder, "large");
		writeFileSync(path, "-99999");
		assert.equal(watch({ type: "file", path }).results[0]?.value, -254);
	});
});

describe("process probes", () => {
	const check = (name: string, changed: Partial<Extract<TrackerCheck, { type: "process" }>> = {}): TrackerCheck => ({
		type: "process",
		name,
		quorum: 1,
		delayMs: 0,
		...changed,
	});
	/** A sleeper under a name that nothing else has. */
	const sleeper = (name: string, seconds = "60") => {
		const program = join(folder, name);
		if (!existsSync(program)) copyFileSync("/bin/sleep", program);
		return spawn(program, [seconds], { stdio: "ignore" });
	};

	it("see at once that a process has died, and that one has come", async (t) => {
		const first = sleeper("km-probe-one");
		await pause(50);
		const probe = watch(check("km-probe-one"));
		const alone = watch(check("km-probe-one"), withoutTimers);
		assert.deepEqual([probe.results[0]?.ok, alone.results[0]?.ok], [true, true]);
		const gone = probe.next(isBad);
		const dead = alone.next(isBad);
		first.kill("SIGKILL");
		const death = await dead;
		await gone;
		assert.equal(death.because, "0 of km-probe-one running, 1 wanted");
		assert.ok(death.afterMs < soonMs, `${death.afterMs} ms`);
		const back = probe.next(isGood);
		const second = sleeper("km-probe-one");
		const birth = await back;
		t.diagnostic(
			`process: death seen after ${death.afterMs.toFixed(1)} ms, start after ${birth.afterMs.toFixed(1)} ms`,
		);
		assert.ok(birth.afterMs < 1000, `${birth.afterMs} ms`);
		second.kill("SIGKILL");
		await probe.next(isBad);
	});

	it("count to a quorum, and not beyond its limit", async () => {
		const probe = watch(check("km-probe-two", { quorum: 2, quorumMax: 2 }));
		assert.equal(probe.results[0]?.ok, false);
		const children = [sleeper("km-probe-two")];
		children.push(sleeper("km-probe-two"));
		await probe.next(isGood);
		children.push(sleeper("km-probe-two"));
		await probe.next(isBad);
		children.pop()?.kill("SIGKILL");
		await probe.next(isGood);
		for (const child of children) child.kill("SIGKILL");
	});

	it("tell processes apart by their arguments", async () => {
		const child = sleeper("km-probe-three", "61");
		await pause(50);
		const found = (changed: Partial<Extract<TrackerCheck, { type: "process" }>>): boolean | undefined =>
			watch(check("km-probe-three", { fullCommand: true, ...changed })).results[0]?.ok;
		assert.equal(found({ arguments: ["61"] }), true);
		assert.equal(found({ arguments: ["6"] }), false);
		assert.equal(found({ arguments: ["6"], argumentMatch: "partial" }), true);
		assert.equal(found({ arguments: [], argumentMatch: "initial" }), true);
		assert.equal(found({ arguments: [] }), false);
		child.kill("SIGKILL");
	});

	it("wait before they tell of a change, and do not tell of one that is over by then", async () => {
		const child = sleeper("km-probe-four");
		await pause(50);
		const probe = watch(check("km-probe-four", { terminateDelayMs: 150 }));
		child.kill("SIGKILL");
		await pause(50);
		const again = sleeper("km-probe-four");
		await pause(600);
		assert.deepEqual(
			probe.results.map((result) => result.ok),
			[true],
		);
		const dead = probe.next(isBad);
		again.kill("SIGKILL");
		assert.ok((await dead).afterMs >= 149);
	});
});

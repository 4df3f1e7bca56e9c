import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { gzipSync } from "node:zlib";
import { MachineRoot } from "./machine-root.ts";
import { readPreemption } from "./read-preemption.ts";

const dynamic = "Linux version 6.18.0 #1 SMP PREEMPT_DYNAMIC @0";
const packed = (config: string): Buffer => gzipSync(config);

const cases: readonly (readonly [string, Readonly<Record<string, string | Buffer>>, string | undefined])[] = [
	["a real-time kernel", { "proc/version": "Linux version 6.12.0 #1 SMP PREEMPT_RT Debian" }, "realtime"],
	["an older kernel with preemption", { "proc/version": "Linux version 5.4.0 #1 SMP PREEMPT Mon" }, "full"],
	[
		"what was chosen while it runs, before what it was built with",
		{
			"proc/version": dynamic,
			"sys/kernel/debug/sched/preempt": "none voluntary (full) lazy\n",
			"proc/cmdline": "preempt=none",
		},
		"full",
	],
	["the command line", { "proc/version": dynamic, "proc/cmdline": "quiet preempt=lazy" }, "lazy"],
	[
		"what it was built with",
		{ "proc/version": dynamic, "proc/config.gz": packed("# CONFIG_PREEMPT is not set\nCONFIG_PREEMPT_NONE=y\n") },
		"none",
	],
	["the file in /boot", { "proc/version": dynamic, "boot/config-6.18.0": "CONFIG_PREEMPT_VOLUNTARY=y\n" }, "voluntary"],
	["nothing", { "proc/version": dynamic }, undefined],
];

describe("the kernel's preemption is read from", () => {
	for (const [what, files, model] of cases)
		it(what, () => {
			const directory = mkdtempSync(join(tmpdir(), "keepmesh-preempt-"));
			for (const [name, content] of Object.entries(files)) {
				mkdirSync(dirname(join(directory, name)), { recursive: true });
				writeFileSync(join(directory, name), content);
			}
			assert.equal(readPreemption(new MachineRoot(directory), "6.18.0"), model);
			rmSync(directory, { recursive: true });
		});
});

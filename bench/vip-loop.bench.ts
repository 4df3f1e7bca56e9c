// npm run bench -- vip-loop [--json FILE]
// How late the loop of the virtual IPs is: timers of 10 ms, and adverts each 5 ms from a host on the same bridge, on an idle
// machine and with every core busy, for each loop with and without SCHED_FIFO. Then what an address and its announcement cost.

import { type ChildProcess, spawn } from "node:child_process";
import { cpus } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createRig } from "../src/node/namespace-rig.testing.ts";
import { type BenchRow, reportBench, spreadOf } from "./support/bench-report.ts";
import type { LoopJob, LoopResult } from "./vip-loop/measured-loop.ts";

const seconds = 5;
const kinds = ["event loop", "own thread"] as const;
const program = fileURLToPath(new URL("vip-loop/measured-loop.ts", import.meta.url));
const rig = createRig();
const rows: BenchRow[] = [];
try {
	const receiver = rig.addHost("receiver", "10.77.0.2");
	const sender = rig.addHost("sender", "10.77.0.3");
	// Node translates TypeScript once: a process that does so itself is 40 MB larger.
	for (const kind of kinds) await run({ type: "receive", netns: receiver.netns, seconds: 0, realTime: false, kind });
	for (const busy of [false, true])
		for (const realTime of [false, true])
			for (const kind of kinds) {
				const burners = busy ? cpus().map(() => burn()) : [];
				const sending = run({ type: "send", netns: sender.netns, seconds: seconds + 1.5, realTime });
				const result = await run({ type: "receive", netns: receiver.netns, seconds, realTime, kind });
				await sending;
				for (const burner of burners) burner.kill("SIGKILL");
				const what = `${kind}, ${realTime ? "FIFO" : "ordinary"}, ${busy ? "busy" : "idle"}`;
				rows.push(...rowsOf(`${what}: timer`, result.timerUs), ...rowsOf(`${what}: advert heard`, result.heardUs));
				rows.push({ what: `${what}: memory`, unit: "MB", spread: spreadOf([result.rssMb]) });
			}
	const costs = await run({ type: "cost", netns: receiver.netns });
	for (const [what, samples] of Object.entries(costs.costUs)) rows.push(...rowsOf(what, samples));
} finally {
	rig.close();
}
reportBench("vip-loop", rows);

function rowsOf(what: string, us: readonly number[]): readonly BenchRow[] {
	const sorted = [...us].sort((a, b) => a - b);
	const p99 = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
	return [
		{ what, unit: "us", spread: spreadOf(us) },
		{ what: `${what}, p99`, unit: "us", spread: spreadOf([p99]) },
	];
}

function run(job: LoopJob): Promise<LoopResult> {
	const env = { ...process.env, NODE_COMPILE_CACHE: join(rig.directory, "compiled") };
	const child = spawn(process.execPath, ["--no-warnings", program, JSON.stringify(job)], { env });
	child.stderr.pipe(process.stderr);
	return new Promise((resolve, reject) => {
		let text = "";
		child.stdout.on("data", (more) => {
			text += more;
		});
		child.on("close", (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`exit code ${code}`))));
	});
}

/** Ends by itself, should this process not. */
function burn(): ChildProcess {
	return spawn(process.execPath, ["-e", `const end = Date.now() + ${(seconds + 4) * 1000}; while (Date.now() < end);`]);
}

// What signs of life cost: the time on a core that an idle Envoy takes without any, and at each pace.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { endEnvoy, type LeasePod } from "./lease-pod.ts";

const settleMs = 1000;

export async function heartbeatCostRows(pod: LeasePod, seconds: number): Promise<readonly BenchRow[]> {
	await pod.redirect(200);
	const rows: BenchRow[] = [];
	for (const heartbeatMs of [undefined, 50, 20, 10]) {
		const envoy = await pod.startEnvoy(heartbeatMs);
		try {
			await sleep(settleMs);
			const [coreMs, startMs] = [coreMsOf(envoy.pid ?? 0), performance.now()];
			await sleep(seconds * 1000);
			const percent = (100 * (coreMsOf(envoy.pid ?? 0) - coreMs)) / (performance.now() - startMs);
			rows.push({
				what:
					heartbeatMs === undefined ? "idle Envoy without heartbeat" : `idle Envoy, heartbeat every ${heartbeatMs} ms`,
				unit: "% core",
				spread: spreadOf([percent]),
			});
		} finally {
			await endEnvoy(envoy);
		}
	}
	return rows;
}

/** User and kernel time of all threads, from the scheduler: finer than the ticks of /proc/PID/stat. */
function coreMsOf(pid: number): number {
	let ns = 0;
	for (const thread of readdirSync(`/proc/${pid}/task`))
		ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
	return ns / 1e6;
}

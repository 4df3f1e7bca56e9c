// What signs of life cost, and what they bring: the time on a core that an idle Envoy takes at each rate, and how long new
// connections fail when it hangs.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { defaultHotSwitchPolicy } from "../../src/hotswitch/hot-switch-policy.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { endEnvoy, type LeasePod } from "./lease-pod.ts";
import { hangGapsMs } from "./takeover-gap.ts";

const settleMs = 1000;
const hangsEach = 3;
/** A lease is three times as long as what is at most between two signs. */
const leaseOf = (heartbeatMs: number): number => 3 * heartbeatMs;

export async function heartbeatCostRows(pod: LeasePod, seconds: number): Promise<readonly BenchRow[]> {
	const rows: BenchRow[] = [
		{ what: "idle Envoy without heartbeat", unit: "% core", spread: spreadOf([await costOf(pod, undefined, seconds)]) },
	];
	for (const heartbeatMs of [10, 20, 30, 50, 100, 250]) {
		const leaseMs = leaseOf(heartbeatMs);
		const name = `heartbeat ${heartbeatMs} ms, lease ${leaseMs} ms`;
		const target = heartbeatMs === defaultHotSwitchPolicy.heartbeatMs ? "<= 2" : "";
		const percent = await costOf(pod, heartbeatMs, seconds);
		rows.push({ what: `${name}: idle Envoy`, unit: "% core", spread: spreadOf([percent]), target });
		const gaps = await hangGapsMs(pod, { leaseMs, heartbeatMs }, hangsEach);
		rows.push({ what: `${name}: gap of a hang`, unit: "ms", spread: spreadOf(gaps) });
	}
	return rows;
}

async function costOf(pod: LeasePod, heartbeatMs: number | undefined, seconds: number): Promise<number> {
	await pod.redirect(leaseOf(heartbeatMs ?? 100));
	const envoy = await pod.startEnvoy(heartbeatMs);
	try {
		await sleep(settleMs);
		const [coreMs, startMs] = [coreMsOf(envoy.pid ?? 0), performance.now()];
		await sleep(seconds * 1000);
		return (100 * (coreMsOf(envoy.pid ?? 0) - coreMs)) / (performance.now() - startMs);
	} finally {
		await endEnvoy(envoy);
	}
}

/** User and kernel time of all threads, from the scheduler: finer than the ticks of /proc/PID/stat. */
function coreMsOf(pid: number): number {
	let ns = 0;
	for (const thread of readdirSync(`/proc/${pid}/task`))
		ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0]);
	return ns / 1e6;
}

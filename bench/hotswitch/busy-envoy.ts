// Whether an Envoy that takes configuration goes on giving signs of life. In: clusters that come in one piece. Out: for how long the
// lease was over meanwhile, beside an idle time.

import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { staticCluster } from "../../src/envoy/bootstrap/static-resources.ts";
import { defaultHotSwitchPolicy } from "../../src/hotswitch/hot-switch-policy.ts";
import type { Rig } from "../../src/node/namespace-rig.testing.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { endEnvoy, type LeasePod } from "./lease-pod.ts";

const { leaseMs, heartbeatMs } = defaultHotSwitchPolicy;
const lookMs = 2;
const runs = 3;

export async function busyEnvoyRows(rig: Rig, pod: LeasePod): Promise<readonly BenchRow[]> {
	const file = join(rig.directory, "clusters.json");
	const put = (clusters: readonly object[]): void => {
		const resources = clusters.map((cluster) => ({
			"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
			...cluster,
		}));
		writeFileSync(`${file}.new`, JSON.stringify({ resources }));
		// Envoy looks when a file is moved to the name.
		renameSync(`${file}.new`, file);
	};
	await pod.redirect(leaseMs);
	put([]);
	const envoy = await pod.startEnvoy(heartbeatMs, file);
	const rows: BenchRow[] = [];
	try {
		await sleep(500);
		const name = `lease ${leaseMs}/${heartbeatMs} ms, longest time without it`;
		const idleMs = [await withoutLeaseMs(pod, 10_000)];
		rows.push({ what: `${name}: idle, 10 s`, unit: "ms", spread: spreadOf(idleMs) });
		for (const count of [100, 1000]) {
			const takenMs: number[] = [];
			for (let run = 0; run < runs; run++) {
				put(
					Array.from({ length: count }, (_, index) =>
						staticCluster(`c${run}-${index}`, { host: "10.0.0.1", port: 80 }),
					),
				);
				takenMs.push(await withoutLeaseMs(pod, 4000));
			}
			rows.push({ what: `${name}: ${count} other clusters come at once`, unit: "ms", spread: spreadOf(takenMs) });
		}
	} finally {
		await endEnvoy(envoy);
	}
	return rows;
}

/** The longest. */
async function withoutLeaseMs({ path }: LeasePod, durationMs: number): Promise<number> {
	const untilMs = performance.now() + durationMs;
	let longestMs = 0;
	let goneSinceMs: number | undefined;
	for (let nowMs = performance.now(); nowMs < untilMs; nowMs = performance.now()) {
		if (path.leaseRemainingMs() !== undefined) goneSinceMs = undefined;
		else {
			goneSinceMs ??= nowMs;
			longestMs = Math.max(longestMs, nowMs - goneSinceMs + lookMs);
		}
		await sleep(lookMs);
	}
	return longestMs;
}

// False failovers: two Keepmesh nodes as they are by default and with the fast profile, all cores busy with ordinary processes.

import { type ChildProcess, spawn } from "node:child_process";
import { cpus } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { longestGapMs } from "../../src/lab/vip-watch/probe-record.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import type { Lane, Profile } from "./vip-lanes.ts";
import type { VipPair } from "./vip-pair.ts";
import { endLane, startLane } from "./vip-runs.ts";

/** The watchers' records are taken so often: their size is bounded. */
const slice = 20_000;
const burnersForEachCore = 2;

/** Two rows: how often the address moved, and the longest gap of each slice. */
export async function soak(pair: VipPair, profile: Profile, minutes: number): Promise<readonly BenchRow[]> {
	const lane: Lane = { fault: "none", a: "keepmesh", b: "keepmesh", pace: profile, health: "none" };
	await startLane(pair, lane);
	const burners: ChildProcess[] = [];
	// They end by themselves when nobody is left to end them.
	const limitSeconds = Math.ceil(minutes * 60) + 30;
	for (let index = 0; index < cpus().length * burnersForEachCore; index++)
		burners.push(spawn("timeout", [`${limitSeconds}`, "sh", "-c", "while :; do :; done"], { stdio: "ignore" }));
	let moves = 0;
	const gaps: number[] = [];
	let mostLateUs = 0;
	try {
		for (let leftMs = minutes * 60_000; leftMs > 0; leftMs -= slice) {
			pair.beginWatching();
			await sleep(Math.min(slice, leftMs));
			const { probes, spans } = await pair.endWatching();
			moves += spans.filter(({ node, toUs }) => node === "b" || toUs !== undefined).length;
			mostLateUs = Math.max(mostLateUs, probes.mostLateUs);
			gaps.push(longestGapMs(probes, probes.sentUs[0] ?? 0, (probes.sentUs.at(-1) ?? 0) - 30_000));
		}
	} finally {
		for (const burner of burners) burner.kill("SIGTERM");
		await endLane(pair);
	}
	const what = `all cores busy for ${minutes} min, ${profile}`;
	return [
		{ what: `${what}: false failovers`, unit: "moves", spread: spreadOf([moves]), target: "0" },
		{ what: `${what}: longest gap`, unit: "ms", spread: spreadOf(gaps) },
		{ what: `${what}: the prober itself was late`, unit: "ms", spread: spreadOf([mostLateUs / 1000]) },
	];
}

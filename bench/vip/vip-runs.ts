// One run of a lane: the address is with a, the fault comes at a random moment of its interval, and what the client and the
// kernels saw of the move to b is measured. Then all is as before.

import { rmSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicUs } from "../../src/kernel/linux/monotonic-us.ts";
import { overlapsOf } from "../../src/lab/vip-watch/owner-spans.ts";
import { handOverTo, longestGapMs, lostProbes } from "../../src/lab/vip-watch/probe-record.ts";
import { virtualAddress } from "./vip-confs.ts";
import { advertSeconds, type Lane, startSide } from "./vip-lanes.ts";
import type { VipPair, Watched } from "./vip-pair.ts";

export interface VipRun {
	/** Nobody answered for so long: last answer of a to first of b. With `none`, and with `stop`: longest gap between answers. */
	readonly gapMs: number;
	/** First answer of b after the fault; after a split: the client has one owner for good, after it healed. */
	readonly afterFaultMs: number;
	readonly lost: number;
	/** Two kernels held the address, both with carrier: in all. After a split: since it healed. */
	readonly overlapMs: number;
	/** Answers of a that were asked for after b's first one. */
	readonly answersOfOld: number;
	/** How late the prober itself was at most. */
	readonly lateMs: number;
	readonly load: number;
}

const beforeMs = 300;
const afterMs = 250;

/** Both start, a first; for the first run of a lane. */
export async function startLane(pair: VipPair, lane: Lane): Promise<void> {
	const withHttp = lane.health === "http";
	for (const side of [pair.a, pair.b]) {
		rmSync(side.fault, { force: true });
		if (lane.health === "file") writeFileSync(side.fault, "0\n");
		pair.reviveService(side.node, withHttp);
		side.ip("link set eth0 up");
		side.ip(`addr del ${virtualAddress}/24 dev eth0`);
	}
	pair.part("off");
	if (withHttp) await sleep(300);
	startSide(pair.a, lane);
	await pair.untilOwner("a", 15_000);
	startSide(pair.b, lane);
	await sleep(700 + 1200 * advertSeconds(lane));
}

export async function endLane(pair: VipPair): Promise<void> {
	await Promise.all([pair.a.stop(), pair.b.stop()]);
	pair.endServices();
}

export async function runLane(pair: VipPair, lane: Lane): Promise<VipRun> {
	const intervalMs = advertSeconds(lane) * 1000;
	const limitMs = 1000 + 4.5 * intervalMs;
	await pair.untilOwner("a", 10_000 + 5 * intervalMs);
	await sleep(200 + Math.random() * Math.min(intervalMs, 1000));
	pair.beginWatching();
	await sleep(beforeMs);
	const fromUs = monotonicUs();
	let run: VipRun;
	if (lane.fault === "split") run = await runSplit(pair, intervalMs, limitMs);
	else {
		const faultUs = monotonicUs();
		inject(pair, lane);
		if (lane.fault === "none") await sleep(1500);
		else await until(() => pair.b.holds(), limitMs + (lane.health === "script" ? 2000 : 0));
		await sleep(afterMs);
		run = figures(lane, await pair.endWatching(), faultUs, fromUs);
	}
	await restore(pair, lane);
	return run;
}

function inject(pair: VipPair, { fault, health }: Lane): void {
	if (fault === "crash") {
		pair.a.crash();
		pair.a.ip("link set eth0 down");
	} else if (fault === "stop") pair.a.term();
	else if (fault === "health") {
		pair.killService("a");
		if (health !== "http") writeFileSync(pair.a.fault, "1\n");
	}
}

function figures({ fault }: Lane, watched: Watched, faultUs: number, fromUs: number): VipRun {
	const { probes, spans, endUs } = watched;
	const lastUs = (probes.sentUs.at(-1) ?? 0) - 20_000;
	const found = handOverTo("b", probes, faultUs);
	if (fault !== "none" && !found) throw new Error("b never answered");
	const longest = longestGapMs(probes, fromUs, lastUs);
	return {
		gapMs: fault === "none" || fault === "stop" ? longest : (found?.gapMs ?? longest),
		afterFaultMs: found?.afterFaultMs ?? 0,
		lost: lostProbes(probes, fromUs - 50_000, lastUs),
		overlapMs: overlapsOf(spans, endUs).reduce((sum, { lengthMs }) => sum + lengthMs, 0),
		answersOfOld: found?.answersOfOld ?? 0,
		lateMs: probes.mostLateUs / 1000,
		load: loadavg()[0] ?? 0,
	};
}

/** Apart until both own it, then together again. */
async function runSplit(pair: VipPair, intervalMs: number, limitMs: number): Promise<VipRun> {
	pair.part("on");
	await until(() => pair.a.holds() && pair.b.holds(), limitMs);
	await sleep(300 + intervalMs * Math.random());
	const healUs = monotonicUs();
	pair.part("off");
	await until(() => !pair.a.holds() || !pair.b.holds(), 10_000 + 5 * intervalMs);
	await sleep(500 + intervalMs);
	const { probes, spans, endUs } = await pair.endWatching();
	const [overlap] = overlapsOf(spans, endUs).filter(({ fromUs, lengthMs }) => fromUs + lengthMs * 1000 > healUs);
	const overlapMs = overlap ? overlap.lengthMs - (healUs - overlap.fromUs) / 1000 : 0;
	const owner = spans.find(({ toUs }) => toUs === undefined)?.node ?? "a";
	const lastOfOther = probes.answers.filter(({ node }) => node !== owner).at(-1)?.atUs ?? healUs;
	const lastUs = (probes.sentUs.at(-1) ?? 0) - 20_000;
	return {
		gapMs: longestGapMs(probes, healUs, lastUs),
		afterFaultMs: Math.max(0, lastOfOther - healUs) / 1000,
		lost: lostProbes(probes, healUs, lastUs),
		overlapMs,
		answersOfOld: 0,
		lateMs: probes.mostLateUs / 1000,
		load: loadavg()[0] ?? 0,
	};
}

async function restore(pair: VipPair, { fault, health }: Lane): Promise<void> {
	const { a } = pair;
	if (fault === "crash") {
		a.crash();
		a.ip("link set eth0 up");
		if (a.program === "keepalived") a.ip(`addr del ${virtualAddress}/24 dev eth0`);
		await sleep(50);
		a.again();
	} else if (fault === "stop") {
		await a.stop();
		a.again();
	} else if (fault === "health") {
		pair.reviveService("a", health === "http");
		if (health === "script") rmSync(a.fault, { force: true });
		else if (health === "file") writeFileSync(a.fault, "0\n");
	}
}

async function until(holds: () => boolean, limitMs: number): Promise<void> {
	const endUs = monotonicUs() + limitMs * 1000;
	while (!holds() && monotonicUs() < endUs) await sleep(5);
}

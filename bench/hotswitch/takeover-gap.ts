// How long new connections fail when Envoy dies or hangs, in and out of a pod: when nobody but the kernel acts, and when the death
// is told to the kernel at once. From the signal to the last connection that began and failed.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { defaultHotSwitchPolicy } from "../../src/hotswitch/hot-switch-policy.ts";
import { closedPath } from "../../src/hotswitch/path-state.ts";
import type { Host } from "../../src/node/namespace-rig.testing.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { appPort, endEnvoy, type LeasePod, outsidePort } from "./lease-pod.ts";
import type { Probe } from "./prober-process.ts";

const paceMs = 2;
const beforeMs = 200;
/** After the lease's end at the latest. */
const afterMs = 340;

interface Setting {
	readonly signal: "SIGSTOP" | "SIGKILL";
	readonly leaseMs: number;
	readonly heartbeatMs: number;
	/** Closes the sidecar's path as soon as its process has ended. */
	readonly isToldOfExit: boolean;
}

export async function takeoverGapRows(pod: LeasePod, runs: number): Promise<readonly BenchRow[]> {
	const rows: BenchRow[] = [];
	for (const setting of settings) {
		const { inMs, outMs } = await measureTimes(pod, setting, runs);
		const { signal, isToldOfExit } = setting;
		const name = `${signal}${isToldOfExit ? " and told of the exit" : ", kernel alone"}`;
		const target = signal === "SIGSTOP" ? "<= 100" : isToldOfExit ? "median <= 15, max <= 60" : "";
		rows.push({ what: `${name}: gap inbound`, unit: "ms", spread: spreadOf(inMs), target });
		rows.push({ what: `${name}: gap outbound`, unit: "ms", spread: spreadOf(outMs), target });
	}
	return rows;
}

/** From the signal to the last new connection that failed, of an Envoy that hangs. */
export async function hangGapsMs(
	pod: LeasePod,
	lease: { readonly leaseMs: number; readonly heartbeatMs: number },
	runs: number,
): Promise<readonly number[]> {
	const { inMs, outMs } = await measureTimes(pod, { signal: "SIGSTOP", ...lease, isToldOfExit: false }, runs);
	return [...inMs, ...outMs];
}

async function measureTimes(pod: LeasePod, setting: Setting, runs: number) {
	const inMs: number[] = [];
	const outMs: number[] = [];
	for (let run = 0; run < runs; run++) {
		const gaps = await measure(pod, setting);
		inMs.push(gaps.inMs);
		outMs.push(gaps.outMs);
	}
	return { inMs, outMs };
}

const { leaseMs: defaultLeaseMs, heartbeatMs: defaultHeartbeatMs } = defaultHotSwitchPolicy;
const usual = { leaseMs: defaultLeaseMs, heartbeatMs: defaultHeartbeatMs };
const settings: readonly Setting[] = [
	{ signal: "SIGSTOP", ...usual, isToldOfExit: false },
	{ signal: "SIGKILL", ...usual, isToldOfExit: false },
	{ signal: "SIGKILL", ...usual, isToldOfExit: true },
];

async function measure(
	{ client, pod, path, redirect, startEnvoy }: LeasePod,
	{ signal, leaseMs, heartbeatMs, isToldOfExit }: Setting,
): Promise<{ readonly inMs: number; readonly outMs: number }> {
	await redirect(leaseMs);
	const envoy = await startEnvoy(heartbeatMs);
	try {
		while (path.leaseRemainingMs() === undefined) await sleep(5);
		const probers = [
			await startProber(client, pod.ip, appPort, leaseMs),
			await startProber(pod, client.ip, outsidePort, leaseMs),
		] as const;
		await sleep(beforeMs);
		if (isToldOfExit) envoy.once("exit", () => path.set({ ...closedPath, direct: true }));
		const signalMs = performance.timeOrigin + performance.now();
		envoy.kill(signal);
		await sleep(leaseMs + afterMs);
		const [inbound, outbound] = await Promise.all(probers.map((prober) => prober.end()));
		return { inMs: gapMs(inbound ?? [], signalMs), outMs: gapMs(outbound ?? [], signalMs) };
	} finally {
		await endEnvoy(envoy);
	}
}

/** A busy machine may lose one later: what counts is when connections came through again. */
const goodInARow = 20;

function gapMs(probes: readonly Probe[], signalMs: number): number {
	if (!probes.some(({ atMs, isOk }) => isOk && atMs < signalMs))
		throw new Error("nothing came through before the signal");
	const later = probes.filter(({ atMs }) => atMs >= signalMs);
	const over = later.findIndex((_, index) => {
		const stretch = later.slice(index, index + goodInARow);
		return stretch.length === goodInARow && stretch.every(({ isOk }) => isOk);
	});
	if (over < 0)
		throw new Error(`of ${later.length} after the signal ${later.filter(({ isOk }) => isOk).length} came through`);
	return Math.max(0, (later[over - 1]?.atMs ?? signalMs) - signalMs);
}

async function startProber(
	from: Host,
	host: string,
	port: number,
	leaseMs: number,
): Promise<{ end(): Promise<readonly Probe[]> }> {
	const child: ChildProcess = spawn(
		"nsenter",
		[
			`--net=${from.netns}`,
			"--",
			process.execPath,
			"--no-warnings",
			join(import.meta.dirname, "prober-process.ts"),
			...[host, port, paceMs, leaseMs + afterMs].map(String),
		],
		{ stdio: ["pipe", "pipe", "inherit"] },
	);
	if (!child.stdout) throw new Error("no output");
	const lines = createInterface({ input: child.stdout });
	await once(lines, "line");
	const result = once(lines, "line").then(([line]) => JSON.parse(String(line)) as readonly Probe[]);
	return {
		end: () => {
			child.stdin?.end();
			return result;
		},
	};
}

// What a process of virtual IPs costs: time until it can own, memory, and CPU for two hundred virtual routers.

import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { monotonicUs } from "../../src/kernel/linux/monotonic-us.ts";
import { childrenOf } from "../../src/lab/crash-node.ts";
import { type BenchRow, spreadOf } from "../support/bench-report.ts";
import { keepalivedConf, manyInstances, virtualIpYaml } from "./vip-confs.ts";
import type { VipPair } from "./vip-pair.ts";
import type { Program, VipSide } from "./vip-side.ts";

const starts = 7;
const instances = 200;
const cpuSeconds = 5;

export async function costRows(pair: VipPair): Promise<readonly BenchRow[]> {
	const rows: BenchRow[] = [];
	for (const program of ["keepalived", "keepmesh"] as const) {
		const startMs: number[] = [];
		for (let start = 0; start < starts; start++) startMs.push(await startMsOf(pair.a, program));
		rows.push({
			what: `start to owning, ${program}`,
			unit: "ms",
			spread: spreadOf(startMs),
			...(program === "keepmesh" ? { target: "median <= 300" } : {}),
		});
	}
	rows.push(await memoryOfDefault(pair));
	for (const program of ["keepalived", "keepmesh"] as const) rows.push(...(await costOfMany(pair, program)));
	return rows;
}

/** Priority 255 claims at once: from the start of the process to the address in the kernel. */
async function startMsOf(side: VipSide, program: Program): Promise<number> {
	const conf = keepalivedConf({ node: "a", advertSeconds: 1, health: "none", file: "", realTime: false });
	const startUs = monotonicUs();
	side.start(program, conf.replace("state BACKUP", "state MASTER").replace("priority 150", "priority 255"));
	while (!side.holds() && monotonicUs() < startUs + 10e6) await sleep(1);
	const tookMs = (monotonicUs() - startUs) / 1000;
	await side.stop();
	return tookMs;
}

async function memoryOfDefault(pair: VipPair): Promise<BenchRow> {
	const text = virtualIpYaml({ profile: "default" });
	pair.a.start("keepmesh", text, "resources");
	await sleep(500);
	pair.b.start("keepmesh", text, "resources");
	await sleep(5000);
	const spread = spreadOf([pair.a, pair.b].map(memoryMb));
	await Promise.all([pair.a.stop(), pair.b.stop()]);
	return { what: "memory (RSS), keepmesh, default", unit: "MB", spread, target: "max <= 60" };
}

async function costOfMany(pair: VipPair, program: Program): Promise<readonly BenchRow[]> {
	const { a, b } = pair;
	a.start(program, manyInstances(instances, "a", 0.1));
	await untilHeld(a, instances);
	b.start(program, manyInstances(instances, "b", 0.1));
	await sleep(2000);
	if (a.heldOf("10.78.") !== instances)
		throw new Error(`${program} holds ${a.heldOf("10.78.")} of ${instances} addresses`);
	const before = [a, b].map(cpuNs);
	await sleep(cpuSeconds * 1000);
	const percent = [a, b].map((side, index) => (cpuNs(side) - (before[index] ?? 0)) / (cpuSeconds * 1e7));
	const mb = [a, b].map(memoryMb);
	await Promise.all([a.stop(), b.stop()]);
	const target = program === "keepmesh" ? { target: "<= 20" } : {};
	return [
		...["owner", "backup"].map((role, index) => ({
			what: `CPU of ${instances} instances at 100 ms, ${program}, ${role}`,
			unit: "% of a core",
			spread: spreadOf([percent[index] ?? 0]),
			...target,
		})),
		{ what: `memory (RSS) of ${instances} instances, ${program}`, unit: "MB", spread: spreadOf(mb) },
	];
}

async function untilHeld(side: VipSide, count: number): Promise<void> {
	for (let waited = 0; waited < 20_000 && side.heldOf("10.78.") < count; waited += 50) await sleep(50);
}

function pidsOf(side: VipSide): readonly number[] {
	return side.pid === undefined ? [] : [side.pid, ...childrenOf(side.pid)];
}

/** Of the process and its children. */
function memoryMb(side: VipSide): number {
	return pidsOf(side).reduce(
		(sum, pid) => sum + Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) / 1024,
		0,
	);
}

function cpuNs(side: VipSide): number {
	return pidsOf(side).reduce(
		(sum, pid) =>
			sum +
			readdirSync(`/proc/${pid}/task`).reduce(
				(of, task) => of + Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, "utf8").split(" ")[0]),
				0,
			),
		0,
	);
}

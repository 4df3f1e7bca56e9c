// Program: SERVICES ENDPOINTS, in the namespace that it is started in. Makes that many Services, hands them to a fresh balancer
// and prints how long the rules took to be in the kernel and what memory the process then has, as JSON.

import { readFileSync } from "node:fs";
import { openBalancer, written } from "../../test/l4/open-balancer.ts";
import { benchNode } from "./lane.ts";
import { manyServices } from "./many-services.ts";

export interface SyncReport {
	readonly syncMs: number;
	/** Of that, what the kernel took. */
	readonly kernelMs: number;
	readonly rssMb: number;
	readonly peakMb: number;
	/** Before there was any Service. */
	readonly emptyMb: number;
}

const [services = 0, endpoints = 0] = process.argv.slice(2).map(Number);
const emptyMb = memoryMb("VmRSS");
const wanted = manyServices(services, endpoints);
const balancer = openBalancer("/proc/self/ns/net", benchNode);
const startMs = performance.now();
balancer.update(wanted);
await written(balancer);
const syncMs = performance.now() - startMs;
const applied = balancer.status().applied[0];
const peakMb = memoryMb("VmHWM");
// What a quiet node holds a moment later.
await new Promise((resolve) => setTimeout(resolve, 1500));
const report: SyncReport = {
	syncMs,
	kernelMs: applied?.ok ? applied.tookMs : 0,
	rssMb: memoryMb("VmRSS"),
	peakMb,
	emptyMb,
};
console.log(JSON.stringify(report));
process.exit(0);

function memoryMb(name: string): number {
	const kb = readFileSync("/proc/self/status", "utf8").match(new RegExp(`${name}:\\s+(\\d+)`))?.[1];
	return Number(kb) / 1024;
}

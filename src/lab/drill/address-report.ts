// What a prober and the kernels saw of an address -> what a drill's load says of it. Any good answer counts, whichever node gave it.

import { longestGapMs, type ProbeRecord } from "../vip-watch/probe-record.ts";
import type { DrillReport } from "./drill-mesh.ts";

export function addressReport(probes: ProbeRecord, twoOwners: number): DrillReport {
	const { sentUs, answers } = probes;
	const [first = 0, last = 0] = [sentUs[0], sentUs.at(-1)];
	const answered = new Set(answers.map(({ probe }) => probe)).size;
	const latencies = answers.map(({ probe, atUs }) => (atUs - (sentUs[probe] ?? atUs)) / 1000).sort((a, b) => a - b);
	const at = (part: number): number => latencies[Math.floor((latencies.length - 1) * part)] ?? 0;
	const byVersion: Record<string, number> = {};
	for (const { node } of answers) byVersion[`node-${node}`] = (byVersion[`node-${node}`] ?? 0) + 1;
	const lost = sentUs.length - answered;
	return {
		sent: sentUs.length,
		byOutcome: { "200": answered, ...(lost > 0 ? { "no answer": lost } : {}) },
		byVersion,
		latencyMs: { min: at(0), p50: at(0.5), p99: at(0.99), max: at(1) },
		longestGapMs: longestGapMs(probes, first, last),
		durationMs: (last - first) / 1000,
		plaintext: 0,
		twoOwners,
		lateMs: probes.mostLateUs / 1000,
	};
}

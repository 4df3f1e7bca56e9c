// Nodes' reports of their pods -> proxies that are not what they were: no longer ready, no longer serving by themselves, or
// failing many more requests than before. What somebody asked for is no fault.

import type { PodReport, RequestCounts } from "../../hotswitch/serving-report.ts";

export interface WellnessConfig {
	/** Between two reports fewer requests than this prove nothing. */
	readonly minRequests: number;
	/** The share of failing requests that is a fault, where it was at most `usualShare` before. */
	readonly errorShare: number;
	readonly usualShare: number;
}

export const defaultWellnessConfig: WellnessConfig = { minRequests: 20, errorShare: 0.2, usualShare: 0.05 };

type Direction = "requests" | "calls";

interface Known {
	readonly ready: boolean;
	readonly step: string | undefined;
	readonly counts: Readonly<Partial<Record<Direction, RequestCounts>>>;
	/** Of the last two reports with enough requests between them. */
	readonly share: Readonly<Partial<Record<Direction, number>>>;
}

/** By proxy; of those that no report has named for a while nothing is kept. */
export type Wellness = ReadonlyMap<string, Known>;

export interface Unwell {
	readonly proxyId: string;
	readonly because: string;
}

const plannedCauses: ReadonlySet<string> = new Set([
	"new",
	"adopted",
	"bypass",
	"bypassOver",
	"restored",
	"policy",
	"leaving",
]);
const maxKnown = 50_000;

export function stepWellness(
	config: WellnessConfig,
	before: Wellness,
	pods: readonly PodReport[],
): { readonly wellness: Wellness; readonly unwell: readonly Unwell[] } {
	const wellness = new Map(before);
	const unwell: Unwell[] = [];
	for (const pod of pods) {
		const { proxyId } = pod;
		const known = before.get(proxyId);
		const { because, now } = judge(config, known, pod);
		// What was heard of last is at the end, and kept.
		wellness.delete(proxyId);
		wellness.set(proxyId, now);
		if (because !== undefined) unwell.push({ proxyId, because });
	}
	for (const proxyId of wellness.keys()) {
		if (wellness.size <= maxKnown) break;
		wellness.delete(proxyId);
	}
	return { wellness, unwell };
}

function judge(
	config: WellnessConfig,
	known: Known | undefined,
	pod: PodReport,
): { readonly because: string | undefined; readonly now: Known } {
	const { ready, serving, name, namespace } = pod;
	const { requests, calls } = pod;
	const counts = { ...(requests && { requests }), ...(calls && { calls }) };
	const reasons: string[] = [];
	const isPlanned = plannedCauses.has(serving?.cause ?? "");
	if (known?.ready && !ready && !isPlanned) reasons.push(serving?.because || "its proxy is not ready any more");
	else if (known?.step === "sidecar" && serving && serving.step !== "sidecar" && !isPlanned)
		reasons.push(serving.because);
	const share: Partial<Record<Direction, number>> = { ...known?.share };
	for (const direction of ["requests", "calls"] as const) {
		const now = shareOf(config, known?.counts[direction], counts[direction]);
		if (now === undefined) continue;
		const usual = known?.share[direction];
		if (usual !== undefined && usual <= config.usualShare && now >= config.errorShare)
			reasons.push(
				`${percent(now)} of its ${direction === "calls" ? "calls" : "requests"} fail, ${percent(usual)} did before`,
			);
		share[direction] = now;
	}
	const because = reasons.length > 0 ? `${name}.${namespace}: ${reasons.join(", ")}` : undefined;
	return { because, now: { ready, step: serving?.step, counts, share } };
}

function shareOf(
	{ minRequests }: WellnessConfig,
	before: RequestCounts | undefined,
	now: RequestCounts | undefined,
): number | undefined {
	if (!before || !now || now.atMs <= before.atMs || now.total < before.total) return undefined;
	const total = now.total - before.total;
	return total < minRequests ? undefined : Math.max(0, now.serverErrors - before.serverErrors) / total;
}

const percent = (share: number): string => `${Math.round(share * 100)} %`;

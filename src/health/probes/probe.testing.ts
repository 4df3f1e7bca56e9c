// A probe started for a test, its results, and waiting for one of them.

import { realClock } from "../../runtime/clock.ts";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import type { Probe, ProbeContext, ProbeResult } from "./probe.ts";
import { startProbe } from "./start-probe.ts";

export interface Observed {
	readonly probe: Probe;
	readonly results: ProbeResult[];
	/** The first result from now on that fits, and how long it took to come. */
	next(fits?: (result: ProbeResult) => boolean): Promise<ProbeResult & { readonly afterMs: number }>;
	close(): void;
}

export function observe(check: TrackerCheck, context: Partial<ProbeContext> = {}): Observed {
	const results: ProbeResult[] = [];
	const waiting = new Set<(result: ProbeResult) => void>();
	const probe = startProbe(check, {
		clock: realClock,
		...context,
		onResult: (result) => {
			results.push(result);
			for (const one of [...waiting]) one(result);
		},
	});
	return {
		probe,
		results,
		next: (fits = () => true) => {
			const startMs = performance.now();
			return new Promise((resolve, reject) => {
				const timeout = setTimeout(() => {
					waiting.delete(take);
					reject(new Error(`no such result within 5 s; there were ${JSON.stringify(results.slice(-5))}`));
				}, 5000);
				const take = (result: ProbeResult): void => {
					if (!fits(result)) return;
					waiting.delete(take);
					clearTimeout(timeout);
					resolve({ ...result, afterMs: performance.now() - startMs });
				};
				waiting.add(take);
			});
		},
		close: () => probe.close(),
	};
}

export const isBad = (result: ProbeResult): boolean => !result.ok;
export const isGood = (result: ProbeResult): boolean => result.ok;

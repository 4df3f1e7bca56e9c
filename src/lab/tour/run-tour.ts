// Runs the steps of the tour one after the other and keeps what each measured; a step that throws is a failed one.

import type { Clock } from "../../runtime/clock.ts";
import type { TourMesh } from "./tour-mesh.ts";
import type { TourStep } from "./tour-steps.ts";

export interface TourLine {
	readonly title: string;
	readonly expected: string;
	readonly measured: string;
	readonly ok: boolean;
	readonly requests: number;
	readonly tookMs: number;
}

export async function runTour(
	steps: readonly TourStep[],
	mesh: TourMesh,
	clock: Clock,
	onStep: { readonly begins: (step: TourStep) => void; readonly ends: (line: TourLine) => void },
): Promise<readonly TourLine[]> {
	const lines: TourLine[] = [];
	for (const step of steps) {
		onStep.begins(step);
		const startedMs = clock.monotonicMs();
		const { ok, measured, reports } = await step.run(mesh).catch((error: unknown) => ({
			ok: false,
			measured: `failed: ${error instanceof Error ? error.message : error}`,
			reports: [],
		}));
		const requests = reports.reduce((sum, report) => sum + report.sent, 0);
		const line = {
			title: step.title,
			expected: step.expected,
			measured,
			ok,
			requests,
			tookMs: clock.monotonicMs() - startedMs,
		};
		lines.push(line);
		onStep.ends(line);
	}
	return lines;
}

// The lines of a tour as the table that ends a demo.

import type { TourLine } from "./run-tour.ts";

/** Title, expectation and measurement under each other; they are too long for columns on a narrow terminal. */
export function renderTour(lines: readonly TourLine[]): string {
	const requests = lines.reduce((sum, line) => sum + line.requests, 0);
	const failed = lines.filter((line) => !line.ok).length;
	const seconds = lines.reduce((sum, line) => sum + line.tookMs, 0) / 1000;
	return [
		...lines.flatMap((line, index) => [
			`${line.ok ? "✔" : "✘"} ${index + 1}. ${line.title}`,
			`     expected  ${line.expected}`,
			`     measured  ${line.measured}  (${(line.tookMs / 1000).toFixed(1)} s)`,
		]),
		"",
		failed === 0
			? `All ${lines.length} as expected: ${requests} requests, each accounted for, in ${seconds.toFixed(1)} s.`
			: `${failed} of ${lines.length} NOT as expected; ${requests} requests in ${seconds.toFixed(1)} s.`,
	].join("\n");
}

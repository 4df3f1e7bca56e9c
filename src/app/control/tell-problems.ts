// What is wrong with resources, as its source tells it: counted and logged.

import type { Problem } from "../../resources/problem.ts";
import type { Log } from "../../runtime/log.ts";
import type { ControlMetrics } from "../../telemetry/control-metrics.ts";

export function tellProblems(problems: readonly Problem[], counted: ControlMetrics, log: Log): void {
	for (const severity of ["error", "warning"] as const) {
		counted.problems.set(problems.filter((problem) => problem.severity === severity).length, { severity });
	}
	for (const { severity, origin, resource, path, message } of problems.slice(0, 50)) {
		log.warn({ severity, file: origin.file, line: origin.line, resource, path, problem: message }, "resource problem");
	}
}

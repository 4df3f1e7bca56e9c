// Problems counted, in words.

import type { Problem } from "../../resources/problem.ts";

/** `2 errors, 1 warning` */
export function countProblems(problems: readonly Problem[]): string {
	const errors = problems.filter((problem) => problem.severity === "error").length;
	const warnings = problems.length - errors;
	return `${counted(errors, "error")}, ${counted(warnings, "warning")}`;
}

export function counted(count: number, noun: string): string {
	return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

// Problems as lines that an editor can jump from: file:line:column, severity, resource and field; then what would be right.

import type { Problem } from "../../resources/problem.ts";
import { paint } from "./terminal.ts";

export function renderProblem(problem: Problem, stream: NodeJS.WriteStream): string {
	const { file, line, column } = problem.origin;
	const severity = paint(problem.severity === "error" ? "red" : "yellow", problem.severity, stream);
	const about = [problem.resource, problem.path].filter((part) => part !== "").join(" ");
	const code = problem.code ? ` [${problem.code}]` : "";
	const head = `${file}:${line}:${column}: ${severity}: ${about === "" ? "" : `${about}: `}${problem.message}${code}`;
	return problem.hint === "" ? head : `${head}\n    ${paint("grey", problem.hint, stream)}`;
}

/** `2 errors, 1 warning` */
export function countProblems(problems: readonly Problem[]): string {
	const errors = problems.filter((problem) => problem.severity === "error").length;
	const warnings = problems.length - errors;
	return `${counted(errors, "error")}, ${counted(warnings, "warning")}`;
}

export function counted(count: number, noun: string): string {
	return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

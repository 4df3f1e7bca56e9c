// Where a directive of keepalived.conf stands, and the list of everything that is worth saying about the file.

import type { Problem } from "../../resources/problem.ts";

export interface Place {
	readonly file: string;
	/** From 1. */
	readonly line: number;
}

/**
 * Who says it.
 * `KA`: keepalived reports it as well (`keepalived -t` exits with another code than 0).
 * `KM-silent`: keepalived does something that surprises, and says nothing.
 * `KM-unsupported`: keepalived has it and Keepmesh does not.
 * `KM-trap`: both take it, and it does not do what it is meant to do.
 */
export type ReportCode = "KA" | "KM-silent" | "KM-unsupported" | "KM-trap" | "KM-info";

export interface Subject {
	readonly place: Place;
	/** `vrrp_instance VI_1`; empty at the top. */
	readonly block: string;
	/** The directive. */
	readonly directive: string;
}

/** Collects problems in the order in which they are found. */
export interface Report {
	readonly problems: readonly Problem[];
	error(subject: Subject, message: string, hint: string, code?: ReportCode): void;
	warn(subject: Subject, message: string, hint: string, code?: ReportCode): void;
}

export function newReport(): Report {
	const problems: Problem[] = [];
	const add = (
		severity: Problem["severity"],
		{ place, block, directive }: Subject,
		message: string,
		hint: string,
		code: ReportCode,
	): void => {
		const origin = { file: place.file, line: place.line, column: 1 };
		problems.push({ severity, origin, resource: block, path: directive, message, hint, code });
	};
	return {
		problems,
		error: (subject, message, hint, code = "KA") => add("error", subject, message, hint, code),
		warn: (subject, message, hint, code = "KA") => add("warning", subject, message, hint, code),
	};
}

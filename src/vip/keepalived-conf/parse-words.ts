// One line in the words of `ip address`, `ip route` or `ip rule`, outside of a keepalived.conf: what resources hold.

import type { Problem } from "../../resources/problem.ts";
import type { VirtualAddress, VirtualRoute, VirtualRule } from "../vip-config.ts";
import type { BlockContext } from "./block-reader.ts";
import { readAddress } from "./conf-addresses.ts";
import { newReport } from "./conf-report.ts";
import { readRoute, readRule } from "./conf-routes.ts";
import type { Statement } from "./conf-tree.ts";
import { splitWords } from "./split-words.ts";

export type LineProblem = (severity: Problem["severity"], message: string, hint: string) => void;

export function addressLine(text: string, problem: LineProblem): VirtualAddress | undefined {
	const read = parseLine(text, problem, readAddress);
	if (!read) return undefined;
	const { family: _family, ...address } = read;
	return address;
}

export function routeLine(text: string, problem: LineProblem): VirtualRoute | undefined {
	return parseLine(text, problem, readRoute);
}

export function ruleLine(text: string, problem: LineProblem): VirtualRule | undefined {
	return parseLine(text, problem, readRule);
}

function parseLine<T>(text: string, problem: LineProblem, read: (line: Statement, context: BlockContext) => T): T {
	const report = newReport();
	const statement = { words: splitWords(text), text, place: { file: "", line: 1 } };
	const value = read(statement, { report, block: "" });
	for (const { severity, message, hint } of report.problems) problem(severity, message, hint);
	return value;
}

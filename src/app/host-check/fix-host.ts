// Does what --fix and --undo say: the file first, then the values in force. In: facts, findings. Out: lines on what was done; throws
// a CliError naming what could not be.

import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import type { HostFacts } from "../../host-check/host-facts.ts";
import { dotted } from "../../host-check/judge-sysctl.ts";
import { planFix } from "../../host-check/plan-fix.ts";
import { planUndo } from "../../host-check/plan-undo.ts";
import { type Applied, applyValues } from "../../host-check/probe/apply-values.ts";
import type { MachineRoot } from "../../host-check/probe/machine-root.ts";
import type { Finding } from "../../host-check/setting.ts";
import { parseSysctlFile, type SysctlFile, sysctlFilePath } from "../../host-check/sysctl-file.ts";
import { CliError, exitCodes } from "../cli/cli-error.ts";
import { counted } from "../cli/count-problems.ts";
import { print, say } from "../cli/terminal.ts";

interface FixFlags {
	readonly dryRun: boolean;
	readonly loosen: readonly string[];
}

export function fixHost(root: MachineRoot, facts: HostFacts, findings: readonly Finding[], flags: FixFlags): void {
	const earlier = readEarlier(root);
	const unknown = flags.loosen.find(
		(name) => !findings.some(({ id, fix }) => id === name && (fix || isFixed(name, earlier))),
	);
	if (unknown !== undefined)
		throw new CliError(
			exitCodes.usage,
			`nothing to change is called ${unknown}`,
			"keepmesh check -a -o wide (names and what is to change)",
		);
	const plan = planFix(findings, facts, earlier, new Set(flags.loosen));
	for (const remark of plan.remarks) say(remark);
	if (plan.file.values.length === 0) {
		say("nothing to fix");
		return;
	}
	if (flags.dryRun) {
		print(plan.text);
		return;
	}
	const path = root.path(sysctlFilePath);
	const text = root.read(sysctlFilePath);
	if (text === plan.text && plan.writes.length === 0) {
		say(`${path} is as it should be; nothing to fix`);
		return;
	}
	if (text !== plan.text) replace(path, plan.text);
	const applied = applyValues(root, plan.writes);
	printApplied(applied);
	const failed = applied.filter(({ because }) => because !== undefined);
	if (failed.length > 0)
		throw new CliError(
			exitCodes.failure,
			`${path} is written, but ${failed.length} of ${counted(applied.length, "value")} could not be set now`,
			`sysctl --system, where it is permitted; or take all of it back: keepmesh check --undo`,
		);
	say(`${path} is written, ${counted(applied.length, "value")} set. The way back: keepmesh check --undo`);
}

export function undoFix(root: MachineRoot, facts: HostFacts, flags: FixFlags): void {
	const path = root.path(sysctlFilePath);
	const earlier = readEarlier(root);
	if (!earlier) {
		say(`there is no ${path}; nothing to undo`);
		return;
	}
	const plan = planUndo(earlier, facts.sysctls);
	for (const remark of plan.remarks) say(remark);
	if (flags.dryRun) {
		for (const { key, value } of plan.writes) print(`${dotted(key)} = ${value}`);
		say(`${path} would be removed`);
		return;
	}
	const applied = applyValues(root, plan.writes);
	printApplied(applied);
	const failed = applied.filter(({ because }) => because !== undefined);
	if (failed.length > 0)
		throw new CliError(
			exitCodes.failure,
			`${counted(failed.length, "value")} could not be given back; ${path} stays, it has the old values`,
			"keepmesh check --undo, where it is permitted",
		);
	rmSync(path);
	say(`${path} is removed, ${counted(applied.length, "value")} given back`);
}

/** Undefined when there is none. One that somebody else wrote is never touched. */
function readEarlier(root: MachineRoot): SysctlFile | undefined {
	const text = root.read(sysctlFilePath);
	if (text === undefined) return undefined;
	const file = parseSysctlFile(text);
	if (file) return file;
	const path = root.path(sysctlFilePath);
	throw new CliError(exitCodes.failure, `${path} was not written by keepmesh check --fix`, `mv ${path} ${path}.old`);
}

const isFixed = (name: string, file: SysctlFile | undefined): boolean =>
	file?.values.some(({ key }) => dotted(key) === name) === true;

/** Readable by all, as sysctl.d's files are; whole or not at all. */
function replace(path: string, text: string): void {
	const temporary = `${path}.${process.pid}.tmp`;
	try {
		mkdirSync(dirname(path), { recursive: true });
		writeFileSync(temporary, text, { mode: 0o644, flush: true });
		renameSync(temporary, path);
	} catch (error) {
		rmSync(temporary, { force: true });
		throw new CliError(
			exitCodes.noPermission,
			`${path} cannot be written: ${(error as Error).message}`,
			"sudo keepmesh check --fix, with the same flags",
		);
	}
}

function printApplied(applied: readonly Applied[]): void {
	for (const { key, before, now, because } of applied)
		print(`${dotted(key)}: ${because === undefined ? `${before} -> ${now}` : `stays ${before ?? "away"}: ${because}`}`);
}

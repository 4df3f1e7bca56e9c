// The drop-in file of `keepmesh check --fix`, as text. In: keys with their values, and what was before. Out: the file of
// sysctl.d(5) with the old values in comments, which the way back is read from.

import { dotted } from "./judge-sysctl.ts";

/** Where it lies, below the root. After the files of distributions (10-, 50-), before an operator's (99-). */
export const sysctlFilePath = "etc/sysctl.d/60-keepmesh.conf";

export interface SysctlFile {
	/** In the order in which they are applied. */
	readonly values: readonly SysctlValue[];
	/** What other keys were that the kernel changes along. */
	readonly sideEffects: readonly { readonly key: string; readonly before: string }[];
}

export interface SysctlValue {
	readonly key: string;
	readonly value: string;
	readonly before: string;
}

const beforeMark = "# before:";
const alongMark = "# before, changed along:";

export function renderSysctlFile(file: SysctlFile): string {
	const lines = [
		"# Written by keepmesh check --fix. The way back: keepmesh check --undo",
		"# It reads the old values out of the comments; other lines are left as they are.",
	];
	for (const { key, value, before } of file.values)
		lines.push("", `${beforeMark} ${dotted(key)} = ${before}`, `${dotted(key)} = ${value}`);
	if (file.sideEffects.length > 0) lines.push("");
	for (const { key, before } of file.sideEffects) lines.push(`${alongMark} ${dotted(key)} = ${before}`);
	return `${lines.join("\n")}\n`;
}

/** Undefined: this is no file of ours; nothing of it may be undone. */
export function parseSysctlFile(text: string): SysctlFile | undefined {
	if (!text.startsWith("# Written by keepmesh check --fix")) return undefined;
	const before = new Map<string, string>();
	const values: SysctlValue[] = [];
	const sideEffects: { key: string; before: string }[] = [];
	for (const line of text.split("\n")) {
		if (line.startsWith(alongMark)) {
			const along = parseAssignment(line.slice(alongMark.length));
			if (along) sideEffects.push({ key: along.key, before: along.value });
		} else if (line.startsWith(beforeMark)) {
			const old = parseAssignment(line.slice(beforeMark.length));
			if (old) before.set(old.key, old.value);
		} else {
			const set = parseAssignment(line);
			const old = set && before.get(set.key);
			if (set && old !== undefined) values.push({ ...set, before: old });
		}
	}
	return { values, sideEffects };
}

/** `net.ipv4.ip_forward = 1`, also with slashes, and with the `-` of sysctl.d(5) in front; undefined for anything else. */
export function parseAssignment(line: string): { readonly key: string; readonly value: string } | undefined {
	const text = line.trim();
	if (text === "" || text.startsWith("#") || text.startsWith(";")) return undefined;
	const match = /^-?([^\s=]+)\s*=\s*(.*)$/.exec(text);
	if (!match) return undefined;
	const [, name = "", value = ""] = match;
	return { key: slashed(name), value: value.trim().split(/\s+/).join(" ") };
}

/** The first mark decides: a name with a slash first is a path already (sysctl.d(5)). */
function slashed(name: string): string {
	const first = /[./]/.exec(name)?.[0];
	return first === "/" ? name : name.replace(/[./]/g, (mark) => (mark === "." ? "/" : "."));
}

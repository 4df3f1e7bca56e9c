// Writes values below /proc/sys. In: keys and values in order. Out: what took, and what did not and why; nothing stops at a failure.

import { writeFileSync } from "node:fs";
import { dotted } from "../judge-sysctl.ts";
import type { MachineRoot } from "./machine-root.ts";
import { readSysctl } from "./read-sysctls.ts";

export interface Applied {
	readonly key: string;
	readonly before: string | undefined;
	readonly now: string | undefined;
	/** Why the value is not what was written; absent when it is. */
	readonly because?: string;
}

export function applyValues(
	root: MachineRoot,
	values: readonly { readonly key: string; readonly value: string }[],
): readonly Applied[] {
	return values.map(({ key, value }) => {
		const before = readSysctl(root, key);
		try {
			writeFileSync(root.path(`proc/sys/${key}`), `${value}\n`, { flag: "r+" });
		} catch (error) {
			return { key, before, now: before, because: reasonOf(key, error as NodeJS.ErrnoException) };
		}
		const now = readSysctl(root, key);
		return now === value ? { key, before, now } : { key, before, now, because: `the kernel made ${now} of it` };
	});
}

function reasonOf(key: string, error: NodeJS.ErrnoException): string {
	switch (error.code) {
		case "EACCES":
		case "EPERM":
			return "not permitted: this needs root, and for some values the machine's first network namespace";
		case "EROFS":
			return "/proc/sys is mounted read-only here, as in most containers: set it on the host";
		case "ENOENT":
			return "this kernel or namespace has no such setting";
		case "EINVAL":
			return `the kernel does not take this value for ${dotted(key)}`;
		default:
			return error.message;
	}
}

// keepalived.conf files that a command names, read with what they include; and what is known of the scripts that they name.

import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import type { ParsedConf } from "../../vip/keepalived-conf/parse-keepalived-conf.ts";
import type { ScriptFacts } from "../../vip/keepalived-conf/traps/script-traps.ts";
import { isExecutable } from "../is-executable.ts";
import { parseConfFile } from "../parse-conf-file.ts";
import { CliError, exitCodes } from "./cli-error.ts";

export interface ConfFile {
	readonly path: string;
	readonly parsed: ParsedConf;
}

/** `configId`: what `@ID` lines are compared with; default the first part of the host's name. */
export function readKeepalivedConfs(paths: readonly string[], configId?: string): readonly ConfFile[] {
	return paths.map((path) => {
		const parsed = parseConfFile(path, configId === undefined ? {} : { configId });
		if (!parsed) throw new CliError(exitCodes.noInput, `${path} cannot be read`, `ls -l ${dirname(resolve(path))}`);
		return { path, parsed };
	});
}

export function scriptFacts(path: string): ScriptFacts | undefined {
	try {
		if (!statSync(path).isFile()) return undefined;
		const writableBy = whoMayWrite(path);
		return { executable: isExecutable(path), ...(writableBy === undefined ? {} : { writableBy }) };
	} catch {
		return undefined;
	}
}

/** Somebody else than root, of the file or a directory above it. */
function whoMayWrite(path: string): string | undefined {
	for (let at = path; ; at = dirname(at)) {
		const { uid, mode } = statSync(at);
		const isSticky = (mode & 0o1000) !== 0 && at !== path;
		if ((mode & 0o002) !== 0 && !isSticky) return "everybody";
		if (uid !== 0) return `user ${uid}`;
		if (at === dirname(at)) return undefined;
	}
}

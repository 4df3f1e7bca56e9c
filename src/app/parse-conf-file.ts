// A keepalived.conf of this machine, read with what it includes, as keepalived itself would read it here.

import { globSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { type ParsedConf, parseKeepalivedConf } from "../vip/keepalived-conf/parse-keepalived-conf.ts";

export interface ConfFileOptions {
	/** What `@ID` lines are compared with; default the first part of the host's name. */
	readonly configId?: string;
	/** The name that the configuration's host goes by. */
	readonly hostName?: string;
	/** Parameters that are there before the first line. */
	readonly parameters?: ReadonlyMap<string, string>;
}

/** Undefined when the file cannot be read. Problems name it as it is given. */
export function parseConfFile(
	path: string,
	{ configId, hostName, parameters }: ConfFileOptions = {},
): ParsedConf | undefined {
	const text = textOf(path);
	if (text === undefined) return undefined;
	return parseKeepalivedConf(path, text, {
		files: { read: textOf, glob: (pattern, directory) => globSync(resolve(directory, pattern)).sort() },
		configId: configId ?? hostname().split(".")[0] ?? "",
		...(hostName === undefined ? {} : { hostName }),
		...(parameters ? { parameters } : {}),
		// keepalived's rule: that user where there is one.
		scriptUser: textOf("/etc/passwd")?.match(/^keepalived_script:/m) ? "keepalived_script" : "root",
	});
}

function textOf(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch {
		return undefined;
	}
}

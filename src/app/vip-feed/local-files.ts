// Files of the node beside the cluster: VirtualIPs and a keepalived.conf that run as they are written, with or without an API server.

import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Problem } from "../../resources/problem.ts";
import { loadFiles } from "../../sources/files/load-files.ts";
import type { VirtualIp } from "../../vip/virtual-ip-config.ts";

export interface LocalFiles {
	readonly virtualIps: readonly VirtualIp[];
	readonly problems: readonly Problem[];
}

/** A directory that is not there has no files. */
export async function readLocalFiles(directory: string | undefined): Promise<LocalFiles> {
	if (directory === undefined) return { virtualIps: [], problems: [] };
	const { objects, problems } = await loadFiles([directory]);
	const virtualIps = objects.flatMap((object) => (object.kind === "VirtualIP" ? [object] : []));
	return { virtualIps, problems };
}

/** First line of a file; undefined when it cannot be read. */
export function firstLineOf(path: string): string | undefined {
	return textOf(path)?.split("\n", 1)[0];
}

export function textOf(path: string): string | undefined {
	try {
		return readFileSync(resolve(path), "utf8");
	} catch {
		return undefined;
	}
}

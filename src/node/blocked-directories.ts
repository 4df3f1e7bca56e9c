// Directories on the way to a path that other users cannot pass through: Envoy runs as such a user.

import { statSync } from "node:fs";
import { dirname } from "node:path";

/** From the path itself, when it is a directory, up to the root. The path must be real, without links. */
export function blockedDirectories(path: string): readonly string[] {
	const blocked: string[] = [];
	for (let at = path; at !== "/"; at = dirname(at)) {
		const stat = statSync(at);
		if (stat.isDirectory() && (stat.mode & 0o001) === 0) blocked.push(at);
	}
	return blocked;
}

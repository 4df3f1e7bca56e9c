// Whether a script may run as root: nobody else may be able to change it, or any folder on the way to it. keepalived's
// `enable_script_security`, rule by rule.

import { lstatSync, realpathSync, type Stats } from "node:fs";
import { dirname } from "node:path";

/** Why it is not safe; undefined when it is. Only for scripts that run as root. */
export function whyUnsafe(path: string): string | undefined {
	if (!path.startsWith("/")) return `${path} is not an absolute path`;
	let real: string;
	try {
		real = realpathSync(path);
	} catch {
		return undefined;
	}
	return [path, real].map(unsafeOnTheWay).find((because) => because !== undefined);
}

function unsafeOnTheWay(path: string): string | undefined {
	for (let part = path; ; part = dirname(part)) {
		const because = unsafePart(part);
		if (because !== undefined) return because;
		if (part === "/") return undefined;
	}
}

function unsafePart(path: string): string | undefined {
	let stats: Stats;
	try {
		stats = lstatSync(path);
	} catch {
		return undefined;
	}
	if (stats.isSymbolicLink()) return stats.uid === 0 ? undefined : `${path} belongs to user ${stats.uid}`;
	if (stats.uid !== 0 && (stats.mode & 0o200) !== 0) return `${path} belongs to user ${stats.uid}, who may change it`;
	if (stats.gid !== 0 && (stats.mode & 0o020) !== 0) return `group ${stats.gid} may change ${path}`;
	// In a folder like /tmp everybody may write, and nobody may replace what is somebody else's.
	const sticky = stats.isDirectory() && (stats.mode & 0o1000) !== 0;
	if ((stats.mode & 0o002) !== 0 && !sticky) return `everybody may change ${path}`;
	return undefined;
}

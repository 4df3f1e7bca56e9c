// Node translates TypeScript once and keeps the result, when it has a place for that. The run that translates is three times as
// large as the next one, so it starts over, in the same process, once everything is translated.

import { flushCompileCache, getCompileCacheDir } from "node:module";

/** Set for the second start, so that there is no third. */
const mark = "KEEPMESH_VIP_WARM";
/** A run from the cache stays below; one that had to translate is above 80 MB. */
const warmBytes = 72 * 1024 * 1024;

/** Does not return when it starts over. Nothing may be open yet. */
export function startOverWhenCold(): void {
	if (process.env[mark] || !getCompileCacheDir() || process.memoryUsage.rss() < warmBytes) return;
	flushCompileCache();
	const args = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
	process.execve?.(process.execPath, args, { ...process.env, [mark]: "1" });
}

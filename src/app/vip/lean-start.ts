// Starts the process over, in place and with the same id, so that it runs with what a small process needs: little space for young
// objects, a collector without helper threads, and translated code from the cache instead of a translator in memory.

import { flushCompileCache, getCompileCacheDir } from "node:module";
import { join } from "node:path";

/**
 * V8's helper threads have an ordinary priority: on a busy machine the thread that sends adverts would wait for the collector's,
 * and for the compiler's to reach a safepoint, for as long as other processes keep them from running.
 */
const flags = ["--single-threaded-gc", "--no-concurrent-recompilation", "--max-semi-space-size=1"];
/** Set for the last start, so that there is no other. */
const mark = "KEEPMESH_VIP_WARM";
/** A run from the cache stays below; one that had to translate TypeScript is above 80 MB. */
const warmBytes = 72 * 1024 * 1024;

/** First of all, before anything is loaded: 20 ms. Does not return when it starts over. */
export function startLean(): void {
	if (flags.every((flag) => process.execArgv.includes(flag))) return;
	const cache = join(import.meta.dirname, "../../../.keepmesh/compile-cache");
	// A later flag counts: the launcher's own come first.
	startOver([...process.execArgv, ...flags], { NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? cache });
}

/** Once everything is loaded, and nothing is open yet. The first run after an installation does, no other. */
export function startOverWhenCold(): void {
	if (process.env[mark] || !getCompileCacheDir() || process.memoryUsage.rss() < warmBytes) return;
	flushCompileCache();
	startOver(process.execArgv, { [mark]: "1" });
}

function startOver(execArgv: readonly string[], env: NodeJS.ProcessEnv): void {
	const args = [process.execPath, ...execArgv, ...process.argv.slice(1)];
	process.execve?.(process.execPath, args, { ...process.env, ...env });
}

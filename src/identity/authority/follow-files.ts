// Says when something may have changed in directories or files: at once by inotify, and within the polling time in any case,
// because network file systems and replaced directories send no events.

import { type FSWatcher, watch } from "node:fs";
import type { Cancel, Clock } from "../../runtime/clock.ts";

export function followFiles(
	paths: readonly string[],
	clock: Clock,
	mayHaveChanged: () => void,
	pollMs = 1_000,
): Cancel {
	const watchers = paths.flatMap((path) => watcherOf(path, mayHaveChanged));
	let cancel = clock.after(pollMs, poll);
	function poll(): void {
		cancel = clock.after(pollMs, poll);
		mayHaveChanged();
	}
	return () => {
		cancel();
		for (const watcher of watchers) watcher.close();
	};
}

/** None where it cannot be watched: polling does it then. */
function watcherOf(path: string, mayHaveChanged: () => void): readonly FSWatcher[] {
	try {
		const watcher = watch(path, () => mayHaveChanged());
		watcher.on("error", () => watcher.close());
		return [watcher];
	} catch {
		return [];
	}
}

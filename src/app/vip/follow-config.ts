// Follows the files of a configuration: what changed is read again a moment later, so that a file that is written in pieces is
// read once. Signals do the same at once.

import { type FSWatcher, watch } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import type { VipSource } from "./load-vip-config.ts";

const settleMs = 100;

/**
 * Only directories of resources are followed by themselves: keepalived.conf is read on SIGHUP, as keepalived does, and whoever prepares
 * a file says so.
 */
export function followConfig(source: VipSource, clock: Clock, onChange: () => void): { close(): void } {
	if (source.type !== "resources") return { close: () => undefined };
	let cancel = (): void => undefined;
	const changed = (): void => {
		cancel();
		cancel = clock.after(settleMs, onChange);
	};
	const watchers: FSWatcher[] = [];
	const follow = (path: string, recursive: boolean, concerns: (name: string | null) => boolean): void => {
		try {
			const watcher = watch(path, { recursive, persistent: false }, (_event, name) => {
				if (concerns(name)) changed();
			});
			watcher.on("error", () => undefined);
			watchers.push(watcher);
		} catch {
			// What cannot be watched is read on SIGHUP.
		}
	};
	const directory = resolve(source.directory);
	follow(directory, true, () => true);
	// The directory itself may be replaced.
	follow(dirname(directory), false, (name) => name === basename(directory));
	return {
		close: () => {
			cancel();
			for (const watcher of watchers) watcher.close();
		},
	};
}

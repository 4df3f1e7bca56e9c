// Follows the files of a configuration: what changed is read again a moment later, so that a file that is written in pieces is
// read once. Signals do the same at once.

import { type FSWatcher, watch } from "node:fs";
import { dirname, resolve } from "node:path";
import type { Clock } from "../../runtime/clock.ts";
import type { VipSource } from "./load-vip-config.ts";

const settleMs = 100;

/** Only directories of resources are followed by themselves: keepalived.conf is read on SIGHUP, as keepalived does. */
export function followConfig(source: VipSource, clock: Clock, onChange: () => void): { close(): void } {
	if (source.type === "keepalivedConf") return { close: () => undefined };
	let cancel = (): void => undefined;
	const changed = (): void => {
		cancel();
		cancel = clock.after(settleMs, onChange);
	};
	const watchers: FSWatcher[] = [];
	const directory = resolve(source.directory);
	for (const [path, recursive] of [
		[directory, true],
		[dirname(directory), false],
	] as const)
		try {
			const watcher = watch(path, { recursive, persistent: false }, changed);
			watcher.on("error", () => undefined);
			watchers.push(watcher);
		} catch {
			// What cannot be watched is read on SIGHUP.
		}
	return {
		close: () => {
			cancel();
			for (const watcher of watchers) watcher.close();
		},
	};
}

// inotify on a set of directories, by fs.watch: each is watched by its inode, so that one deleted and made anew is noticed.

import { type FSWatcher, type Stats, statSync, watch } from "node:fs";

export interface DirectoryWatcherEvents {
	/** Something happened to the entry; no name: to anything in the directory. */
	changed(directory: string, name: string | undefined): void;
	/** The directory cannot be watched (out of inotify watches or file descriptors): only re-scans see its changes. */
	failed(directory: string, reason: string): void;
}

export class DirectoryWatcher {
	readonly #events: DirectoryWatcherEvents;
	readonly #watched = new Map<
		string,
		{ readonly watcher: FSWatcher; readonly inode: number; readonly device: number }
	>();
	#isClosed = false;

	constructor(events: DirectoryWatcherEvents) {
		this.#events = events;
	}

	/** Watches the directory if it exists and is not watched yet. Call before listing it, so that nothing is missed. */
	add(directory: string): void {
		if (this.#isClosed) return;
		let stats: Stats;
		try {
			stats = statSync(directory);
		} catch {
			this.remove(directory);
			return;
		}
		const known = this.#watched.get(directory);
		if (known?.inode === stats.ino && known.device === stats.dev) return;
		known?.watcher.close();
		this.#watched.delete(directory);
		try {
			const watcher = watch(directory, (_event, name) => this.#events.changed(directory, name ?? undefined));
			watcher.on("error", () => this.remove(directory));
			this.#watched.set(directory, { watcher, inode: stats.ino, device: stats.dev });
		} catch (error) {
			this.#events.failed(directory, (error as NodeJS.ErrnoException).code ?? String(error));
		}
	}

	has(directory: string): boolean {
		return this.#watched.has(directory);
	}

	remove(directory: string): void {
		this.#watched.get(directory)?.watcher.close();
		this.#watched.delete(directory);
	}

	/** Stops watching what is not in the set. */
	keepOnly(directories: ReadonlySet<string>): void {
		for (const directory of [...this.#watched.keys()]) if (!directories.has(directory)) this.remove(directory);
	}

	/** For good: a scan that is still under way adds nothing any more. */
	close(): void {
		this.#isClosed = true;
		this.keepOnly(new Set());
	}
}

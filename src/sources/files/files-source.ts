// Directories of resource files, watched. Goes in: what happens on the disk. Goes out: changes and problems.
// inotify tells which file to look at; a re-scan of everything every 30 s is the safety net. What looks half-written, or
// would take something away, must stay so for a moment before it counts; a whole file renamed into place counts at once.

import { statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import type { AnyObject, ObjectKey } from "../../resources/config-object.ts";
import type { Problem } from "../../resources/problem.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Change } from "../../snapshot/change.ts";
import { DirectoryWatcher } from "./directory-watcher.ts";
import { type FileContent, FileLedger } from "./file-ledger.ts";
import { isIgnoredName, isResourceFileName } from "./file-names.ts";
import { type FileStamp, type FileText, isSameStamp, readFileText, stampOf } from "./read-file.ts";
import { type ScannedTree, scanTree } from "./scan-tree.ts";

export interface FilesSourceOptions {
	/** Directories, or single files. When an object is in two of them, the earlier one wins. */
	readonly roots: readonly string[];
	/** How long a file that looks half-written must stay unchanged before it is taken, in ms. Default 20. */
	readonly settleMs?: number;
	/** How long an object or a file must be gone before it is removed, in ms. Default 50. */
	readonly removeAfterMs?: number;
	/** Default 30,000 ms. */
	readonly rescanMs?: number;
}

export interface FilesSourceParts {
	readonly clock: Clock;
	readonly read: (text: string, file: string) => FileContent;
	/** One call for everything that was seen at once. */
	readonly onChanges: (changes: readonly Change[]) => void;
	/** All problems there are now, whenever they changed. */
	readonly onProblems: (problems: readonly Problem[]) => void;
}

export interface FilesSource {
	/** Resolves when everything that was there at the start has been read and given to `onChanges`. */
	readonly ready: Promise<void>;
	/** The same list until they change. */
	problems(): readonly Problem[];
	/** The object as its file says it now, with its line. */
	current(key: ObjectKey): AnyObject | undefined;
	/** Looks at every file again; resolves when what differs has been given out. */
	rescan(): Promise<void>;
	close(): void;
}

export function startFilesSource(options: FilesSourceOptions, parts: FilesSourceParts): FilesSource {
	return new RunningFilesSource(options, parts);
}

interface Settling {
	/** Undefined: the file is gone. */
	readonly stamp: FileStamp | undefined;
	readonly sinceMs: number;
	readonly rounds: number;
	readonly cancel: Cancel;
}

const readsAtOnce = 32;
const maxSettleRounds = 50;

class RunningFilesSource implements FilesSource {
	readonly ready: Promise<void>;
	readonly #roots: readonly string[];
	readonly #settleMs: number;
	readonly #removeAfterMs: number;
	readonly #rescanMs: number;
	readonly #parts: FilesSourceParts;
	readonly #ledger = new FileLedger();
	readonly #watcher: DirectoryWatcher;
	readonly #trees = new Map<string, ScannedTree>();
	readonly #stamps = new Map<string, FileStamp>();
	readonly #settling = new Map<string, Settling>();
	/** Directory -> files that are links into it. */
	readonly #linkedFrom = new Map<string, Set<string>>();
	readonly #unwatched = new Map<string, string>();
	#dirtyFiles = new Set<string>();
	#dirtyRoots = new Set<string>();
	#draining: Promise<void> | undefined;
	#started = false;
	#closed = false;
	#reported: readonly Problem[] = [];
	#reportedText = "[]";
	#cancelRescan: Cancel = () => {};

	constructor(options: FilesSourceOptions, parts: FilesSourceParts) {
		this.#roots = options.roots.map((root) => resolve(root));
		this.#settleMs = options.settleMs ?? 20;
		this.#removeAfterMs = options.removeAfterMs ?? 50;
		this.#rescanMs = options.rescanMs ?? 30_000;
		this.#parts = parts;
		this.#watcher = new DirectoryWatcher({
			changed: (directory, name) => this.#seen(directory, name),
			failed: (directory, reason) => this.#unwatched.set(directory, reason),
		});
		this.ready = this.rescan().then(() => {
			this.#started = true;
			this.#armRescan();
		});
	}

	problems(): readonly Problem[] {
		return this.#reported;
	}

	#findProblems(): readonly Problem[] {
		const found: Problem[] = [];
		for (const [root, tree] of this.#trees) {
			if (tree.realRoot === undefined) {
				found.push(fileProblem(root, "error", "is not there", "create it, or name another with --resources"));
			}
			for (const { path, message, hint } of tree.refused) found.push(fileProblem(path, "error", message, hint));
		}
		for (const [directory, reason] of this.#unwatched) {
			const message = `cannot be watched (${reason}): changes are seen only every ${this.#rescanMs / 1000} s`;
			found.push(fileProblem(directory, "warning", message, "sysctl fs.inotify.max_user_watches=524288"));
		}
		return [...found, ...this.#ledger.problems()];
	}

	current(key: ObjectKey): AnyObject | undefined {
		return this.#ledger.current(key);
	}

	async rescan(): Promise<void> {
		for (const root of this.#roots) this.#dirtyRoots.add(root);
		await this.#drain();
	}

	close(): void {
		this.#closed = true;
		this.#cancelRescan();
		this.#watcher.close();
		for (const { cancel } of this.#settling.values()) cancel();
		this.#settling.clear();
	}

	#armRescan(): void {
		if (this.#closed) return;
		const missing = [...this.#trees.values()].some((tree) => tree.realRoot === undefined);
		this.#cancelRescan = this.#parts.clock.after(missing ? Math.min(1000, this.#rescanMs) : this.#rescanMs, () => {
			void this.rescan().then(() => this.#armRescan());
		});
	}

	#seen(directory: string, name: string | undefined): void {
		if (this.#closed) return;
		for (const file of this.#linkedFrom.get(directory) ?? []) this.#dirtyFiles.add(file);
		for (const [root, tree] of this.#trees) {
			const path = name === undefined ? directory : join(directory, name);
			if (path === root || name === undefined) this.#dirtyRoots.add(root);
			else if (!tree.listed.has(directory)) {
				if (name.startsWith("..")) this.#dirtyRoots.add(root);
			} else if (this.#watcher.has(path) || name.startsWith("..")) this.#dirtyRoots.add(root);
			else if (isResourceFileName(name)) this.#dirtyFiles.add(path);
			else if (!isIgnoredName(name) && isDirectory(path)) this.#dirtyRoots.add(root);
		}
		void this.#drain();
	}

	#drain(): Promise<void> {
		this.#draining ??= this.#drainAll();
		return this.#draining;
	}

	async #drainAll(): Promise<void> {
		// Let the events of one moment come in together, and #draining be set, before the first look.
		await Promise.resolve();
		try {
			await this.#drainDirty();
		} finally {
			this.#draining = undefined;
		}
	}

	async #drainDirty(): Promise<void> {
		while (!this.#closed && (this.#dirtyRoots.size > 0 || this.#dirtyFiles.size > 0)) {
			const roots = this.#dirtyRoots;
			this.#dirtyRoots = new Set();
			if (roots.size > 0) await this.#scan(roots);
			const files = [...this.#dirtyFiles].sort();
			this.#dirtyFiles = new Set();
			const changes: Change[] = [];
			for (let at = 0; at < files.length; at += readsAtOnce) {
				const some = files.slice(at, at + readsAtOnce);
				const texts = await Promise.all(some.map((file) => this.#readIfChanged(file)));
				if (this.#closed) return;
				some.forEach((file, index) => {
					const text = texts[index];
					if (text) changes.push(...this.#take(file, text));
				});
			}
			if (changes.length > 0) this.#parts.onChanges(changes);
			this.#report();
		}
	}

	async #scan(roots: ReadonlySet<string>): Promise<void> {
		this.#unwatched.clear();
		for (const root of roots) {
			const tree = await scanTree(root, (directory) => this.#watcher.add(directory));
			this.#trees.set(root, tree);
			for (const file of tree.files) this.#dirtyFiles.add(file);
		}
		const present = new Set([...this.#trees.values()].flatMap((tree) => tree.files));
		for (const file of this.#ledger.files()) if (!present.has(file)) this.#dirtyFiles.add(file);
		const wanted = new Set([...this.#trees.values()].flatMap((tree) => tree.directories));
		this.#watcher.keepOnly(new Set([...wanted, ...this.#linkedFrom.keys()]));
	}

	async #readIfChanged(file: string): Promise<FileText | undefined> {
		const known = this.#stamps.get(file);
		if (known && !this.#settling.has(file)) {
			const stats = await stat(file, { bigint: true }).catch(() => undefined);
			if (stats && isSameStamp(stampOf(stats), known)) return undefined;
		}
		const tree = this.#trees.get(this.#rootOf(file));
		return tree?.realRoot === undefined ? { ok: false, because: "gone" } : readFileText(file, tree.realRoot);
	}

	#take(file: string, text: FileText): readonly Change[] {
		if (!text.ok && text.because === "unreadable") {
			this.#settled(file);
			this.#stamps.delete(file);
			this.#ledger.fail(file, this.#orderOf(file), fileProblem(file, "error", text.message, text.hint));
			return [];
		}
		if (!text.ok) {
			if (!this.#ledger.has(file) || this.#mustWait(file, undefined, this.#removeAfterMs)) return [];
			this.#stamps.delete(file);
			return this.#ledger.remove(file);
		}
		this.#followLink(file, text.realPath);
		const known = this.#stamps.get(file);
		const inPlace = known !== undefined && known.inode === text.stamp.inode;
		if ((inPlace || !text.text.endsWith("\n")) && this.#mustWait(file, text.stamp, this.#settleMs, false)) return [];
		const content = this.#read(text.text, file);
		const loses = this.#ledger.lostBy(file, content).length > 0 || content.problems.some(isError);
		if (loses && this.#mustWait(file, text.stamp, this.#removeAfterMs)) return [];
		this.#settled(file);
		this.#stamps.set(file, text.stamp);
		return this.#ledger.update(file, this.#orderOf(file), content);
	}

	#read(text: string, file: string): FileContent {
		try {
			return this.#parts.read(text, file);
		} catch (error) {
			const message = `cannot be read: ${error instanceof Error ? error.message : String(error)}`;
			return { objects: [], problems: [fileProblem(file, "error", message, "simplify the file")] };
		}
	}

	/** True while the file has not been the same for `quietMs`; looks again after that. Nothing waits during the first read. */
	#mustWait(file: string, stamp: FileStamp | undefined, quietMs: number, clears = true): boolean {
		if (!this.#started) return false;
		const nowMs = this.#parts.clock.monotonicMs();
		const before = this.#settling.get(file);
		const isSame = before && (stamp && before.stamp ? isSameStamp(stamp, before.stamp) : stamp === before.stamp);
		if (before && isSame && nowMs >= before.sinceMs + quietMs - 1) {
			if (clears) this.#settled(file);
			return false;
		}
		if (before && before.rounds >= maxSettleRounds) return false;
		before?.cancel();
		const sinceMs = isSame ? before.sinceMs : nowMs;
		const cancel = this.#parts.clock.after(sinceMs + quietMs - nowMs, () => {
			this.#dirtyFiles.add(file);
			void this.#drain();
		});
		this.#settling.set(file, { stamp, sinceMs, rounds: (before?.rounds ?? 0) + (isSame ? 0 : 1), cancel });
		return true;
	}

	#settled(file: string): void {
		this.#settling.get(file)?.cancel();
		this.#settling.delete(file);
	}

	#followLink(file: string, realPath: string): void {
		const directory = dirname(realPath);
		for (const [other, files] of this.#linkedFrom) {
			if (other === directory || !files.delete(file) || files.size > 0) continue;
			this.#linkedFrom.delete(other);
		}
		if (realPath === file) return;
		this.#linkedFrom.set(directory, (this.#linkedFrom.get(directory) ?? new Set()).add(file));
		this.#watcher.add(directory);
	}

	#rootOf(file: string): string {
		return this.#roots.find((root) => isInside(root, file)) ?? file;
	}

	/** Path order, earlier roots first. */
	#orderOf(file: string): string {
		const root = this.#rootOf(file);
		return `${String(this.#roots.indexOf(root)).padStart(4, "0")}/${relative(root, file)}`;
	}

	#report(): void {
		const problems = this.#findProblems();
		const text = JSON.stringify(problems);
		if (text === this.#reportedText) return;
		this.#reportedText = text;
		this.#reported = problems;
		this.#parts.onProblems(problems);
	}
}

function isInside(root: string, path: string): boolean {
	return path === root || path.startsWith(root === "/" ? root : `${root}/`);
}

function isDirectory(path: string): boolean {
	return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isError(problem: Problem): boolean {
	return problem.severity === "error";
}

function fileProblem(file: string, severity: Problem["severity"], message: string, hint: string): Problem {
	return { severity, origin: { file, line: 1, column: 1 }, resource: "", path: "", message, hint };
}

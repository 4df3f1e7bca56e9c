// Reads one file of a resource tree as text, without being held up or fooled by what lies there: FIFOs, sockets, devices,
// giants, links that lead out, files replaced while they are read.

import { type BigIntStats, constants } from "node:fs";
import { open, realpath } from "node:fs/promises";
import { sep } from "node:path";

/** The largest file that is read, in bytes. */
export const maxFileBytes = 32 * 1024 * 1024;

export type FileText =
	| { readonly ok: true; readonly text: string; readonly stamp: FileStamp; readonly realPath: string }
	| { readonly ok: false; readonly because: "gone" }
	| { readonly ok: false; readonly because: "unreadable"; readonly message: string; readonly hint: string };

/** Identity and age of what was read: a different stamp means that the file must be read again. */
export interface FileStamp {
	readonly inode: bigint;
	readonly sizeBytes: bigint;
	readonly modifiedNs: bigint;
	readonly changedNs: bigint;
}

export function stampOf(stats: BigIntStats): FileStamp {
	return { inode: stats.ino, sizeBytes: stats.size, modifiedNs: stats.mtimeNs, changedNs: stats.ctimeNs };
}

export function isSameStamp(a: FileStamp, b: FileStamp): boolean {
	return (
		a.inode === b.inode && a.sizeBytes === b.sizeBytes && a.modifiedNs === b.modifiedNs && a.changedNs === b.changedNs
	);
}

/** `realRoot`: the tree that the file must really lie in, links followed. */
export async function readFileText(path: string, realRoot: string): Promise<FileText> {
	let realPath: string;
	try {
		realPath = await realpath(path);
	} catch (error) {
		return failure(error);
	}
	if (realPath !== realRoot && !realPath.startsWith(realRoot.endsWith(sep) ? realRoot : realRoot + sep)) {
		return unreadable(`is a link to ${realPath}, outside of ${realRoot}`, "copy the file into the directory");
	}
	try {
		// O_NONBLOCK: opening a FIFO without a writer must not wait.
		const handle = await open(realPath, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW);
		try {
			const before = await handle.stat({ bigint: true });
			if (!before.isFile()) {
				const what = before.isFIFO() ? "a FIFO" : before.isDirectory() ? "a directory" : "a device or socket";
				return unreadable(`is ${what}, not a regular file`, "put a regular file there");
			}
			if (before.size > maxFileBytes) {
				const megabytes = Number(before.size / 1024n / 1024n);
				return unreadable(`is ${megabytes} MiB large; at most 32 MiB are read`, "split it into several files");
			}
			const bytes = await handle.readFile();
			const stamp = stampOf(await handle.stat({ bigint: true }));
			const text = decodeUtf8(bytes);
			if (text === undefined) return unreadable("is not UTF-8 text", "save it as UTF-8");
			return { ok: true, text, stamp, realPath };
		} finally {
			await handle.close();
		}
	} catch (error) {
		return failure(error);
	}
}

function decodeUtf8(bytes: Uint8Array): string | undefined {
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
	} catch {
		return undefined;
	}
}

function failure(error: unknown): FileText {
	const code = (error as NodeJS.ErrnoException).code;
	switch (code) {
		case "ENOENT":
		case "ENOTDIR":
			return { ok: false, because: "gone" };
		case "EACCES":
		case "EPERM":
			return unreadable("may not be read by this user", "chmod a+r FILE, or run as its owner");
		case "ENXIO":
			return unreadable("is a socket, not a regular file", "put a regular file there");
		case "ELOOP":
			return unreadable("is a loop of links", "put a regular file there");
		case "EISDIR":
			return unreadable("is a directory with the name of a file", "rename it");
		default:
			return unreadable(`cannot be read: ${code ?? String(error)}`, "check the disk and the file's permissions");
	}
}

function unreadable(message: string, hint: string): FileText {
	return { ok: false, because: "unreadable", message, hint };
}

// The number in a file (track_file): read at the start, and each time somebody has written it or put another file in its place, as
// inotify says, so without delay. A file that is missing or holds no number counts as 0.

import { readFileSync, writeFileSync } from "node:fs";
import { basename, dirname } from "node:path";
import type { Cancel } from "../../runtime/clock.ts";
import type { TrackerCheck } from "../../vip/vip-config.ts";
import type { Probe, ProbeContext } from "./probe.ts";
import { kernel, type ReadableDescriptor, watchDescriptor } from "./readable-descriptor.ts";

type FileCheck = Extract<TrackerCheck, { type: "file" }>;

const closeWrite = 0x8;
const movedFrom = 0x40;
const movedTo = 0x80;
const deleted = 0x200;
const deletedSelf = 0x400;
const movedSelf = 0x800;
const overflow = 0x4000;
const ignored = 0x8000;
const nonBlockingCloseOnExec = 0o2004000;

/** Should an event be lost, or the folder not be there yet. */
const rereadMs = 1000;

export function startFileProbe(check: FileCheck, context: ProbeContext): Probe {
	return new FileProbe(check, context);
}

class FileProbe implements Probe {
	readonly #check: FileCheck;
	readonly #context: ProbeContext;
	#watch: ReadableDescriptor | undefined;
	#timer: Cancel | undefined;
	#told: string | undefined;
	#closed = false;

	constructor(check: FileCheck, context: ProbeContext) {
		this.#check = check;
		this.#context = context;
		this.#writeInitial();
		this.#startWatch();
		this.recheck();
		this.#rereadLater();
	}

	recheck(): void {
		if (this.#closed) return;
		const startMs = this.#context.clock.monotonicMs();
		const { value, because } = readValue(this.#check.path, this.#check.limit ?? 254);
		if (this.#told === because) return;
		this.#told = because;
		const tookMs = this.#context.clock.monotonicMs() - startMs;
		this.#context.onResult({ ok: value === 0, because, value, tookMs });
	}

	close(): void {
		this.#closed = true;
		this.#timer?.();
		this.#watch?.close();
	}

	#writeInitial(): void {
		const { path, initial, overwrites } = this.#check;
		if (initial === undefined) return;
		try {
			writeFileSync(path, `${initial}\n`, { flag: overwrites ? "w" : "wx" });
		} catch {
			// It is there already, or cannot be written: what can be read counts.
		}
	}

	#startWatch(): void {
		if (this.#watch) return;
		const { inotifyInit, inotifyAddWatch, close } = kernel();
		const fd = inotifyInit(nonBlockingCloseOnExec);
		if (fd < 0) return;
		const mask = closeWrite | movedFrom | movedTo | deleted | deletedSelf | movedSelf;
		if (inotifyAddWatch(fd, dirname(this.#check.path), mask) < 0) {
			close(fd);
			return;
		}
		this.#watch = watchDescriptor(fd, 4096, () => this.#readEvents());
	}

	#readEvents(): void {
		const name = basename(this.#check.path);
		let concerns = false;
		let watchEnded = false;
		for (let bytes = this.#watch?.read(); bytes; bytes = this.#watch?.read())
			for (let at = 0; at + 16 <= bytes.length; at += 16 + bytes.readUInt32LE(at + 12)) {
				const mask = bytes.readUInt32LE(at + 4);
				const text = bytes.toString("utf8", at + 16, at + 16 + bytes.readUInt32LE(at + 12)).replace(/\0+$/, "");
				if (mask & (deletedSelf | movedSelf | ignored)) watchEnded = true;
				if (text === name || mask & overflow || watchEnded) concerns = true;
			}
		if (watchEnded) {
			this.#watch?.close();
			this.#watch = undefined;
		}
		if (concerns) this.recheck();
	}

	#rereadLater(): void {
		this.#timer = this.#context.clock.after(rereadMs, () => {
			this.#startWatch();
			this.recheck();
			this.#rereadLater();
		});
	}
}

function readValue(path: string, limit: number): { readonly value: number; readonly because: string } {
	let text: string;
	try {
		text = readFileSync(path, { encoding: "latin1" }).slice(0, 127);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		return { value: 0, because: code === "ENOENT" ? `${path} is not there: 0` : `${path} cannot be read (${code}): 0` };
	}
	const value = Math.max(-limit, Math.min(limit, parseLong(text)));
	return { value, because: `${path} says ${value}` };
}

/** strtol(3) with base 0: spaces, a sign, then a decimal, 0x or 0 octal number, then anything. */
export function parseLong(text: string): number {
	const match = /^[ \t\n\v\f\r]*([+-]?)(?:0[xX]([0-9a-fA-F]+)|(0[0-7]*)|([1-9]\d*))/.exec(text);
	if (!match) return 0;
	const [, sign, hexadecimal, octal, decimal] = match;
	const size = hexadecimal
		? Number.parseInt(hexadecimal, 16)
		: octal
			? Number.parseInt(octal, 8)
			: Number.parseInt(decimal ?? "0", 10);
	return sign === "-" && size !== 0 ? -size : size;
}

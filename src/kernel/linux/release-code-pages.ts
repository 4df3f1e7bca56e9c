// Gives back the pages of program code that only the start needed: they are the file's own, unchanged, and come back from the page
// cache when they are run again. A small process stays small beside a program file of 130 MB.

import { readFileSync } from "node:fs";
import koffi from "koffi";

const MADV_DONTNEED = 4;

/** Only mappings that are executable and cannot be written: they hold nothing that is not in their file. */
export function releaseCodePages(): void {
	const madvise = koffi.load(null).func("int madvise(uintptr_t, size_t, int)") as unknown as (
		address: bigint,
		length: number,
		advice: number,
	) => number;
	for (const line of readFileSync("/proc/self/maps", "latin1").split("\n")) {
		const mapping = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ [1-9]\d* +\//.exec(line);
		if (!mapping) continue;
		const [start, end] = [BigInt(`0x${mapping[1]}`), BigInt(`0x${mapping[2]}`)];
		madvise(start, Number(end - start), MADV_DONTNEED);
	}
}

// For tests: stops a single thread of another process, as a bug in it would. Signals stop whole processes; ptrace does not.

import { createRequire } from "node:module";

const [seize, interrupt, detach] = [0x4206, 0x4207, 17];

/** Gives back what lets it go on. */
export function holdThread(threadId: number): () => void {
	const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
	const ptrace = koffi.load(null).func("long ptrace(long request, long pid, size_t address, size_t data)");
	const call = (request: number): void => {
		if (Number(ptrace(request, threadId, 0, 0)) === -1)
			throw new Error(`ptrace ${request} of thread ${threadId} failed: error ${koffi.errno()}`);
	};
	call(seize);
	call(interrupt);
	return () => call(detach);
}

// Whether an Envoy that runs is the one that would be started now. In: its process and the file that it was started with; the program
// and the start configuration of now. Out: what differs.

import { readFileSync, statSync } from "node:fs";

export interface RunningEnvoy {
	readonly pid: number;
	/** Path of the program of now. */
	readonly envoy: string;
	readonly bootstrapFile: string;
	/** Of now. */
	readonly bootstrap: object;
}

/** Undefined also where it cannot be told: what runs is left alone. */
export function whyOutdated({ pid, envoy, bootstrapFile, bootstrap }: RunningEnvoy): string | undefined {
	try {
		const started: unknown = JSON.parse(readFileSync(bootstrapFile, "utf8"));
		if (JSON.stringify(started) !== JSON.stringify(bootstrap)) return "its start configuration has changed";
		// A file that was replaced has another number, also when the process still has the old one open.
		const [running, now] = [statSync(`/proc/${pid}/exe`), statSync(envoy)];
		if (running.ino !== now.ino || running.dev !== now.dev) return "the Envoy program has changed";
	} catch {
		return undefined;
	}
	return undefined;
}

// A timeout that does not blame others for this process standing still: when it fires late, whatever has come in the meantime is
// heard first.

import type { Cancel, Clock } from "../../runtime/clock.ts";

/** Later than this and the process stood still, or the machine. */
const lateMs = 20;
/** So long for what waits in sockets to be read. */
const graceMs = 50;

export function afterPatiently(clock: Clock, ms: number, run: () => void): Cancel {
	const dueMs = clock.monotonicMs() + ms;
	let cancel = clock.after(ms, () => {
		if (clock.monotonicMs() - dueMs < lateMs) run();
		else cancel = clock.after(Math.min(ms, graceMs), run);
	});
	return () => cancel();
}

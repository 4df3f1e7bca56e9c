// Waits for something outside to become true, asking again every 50 ms.

import { setTimeout as sleep } from "node:timers/promises";

const everyMs = 50;

/** Rejects after `withinMs`, with the last error or `describe()`, and when `signal` aborts. */
export async function waitUntil(
	what: string,
	ask: () => Promise<boolean>,
	options: { readonly withinMs: number; readonly signal?: AbortSignal; readonly hint?: string },
): Promise<void> {
	const untilMs = performance.now() + options.withinMs;
	let last = "";
	for (;;) {
		options.signal?.throwIfAborted();
		try {
			if (await ask()) return;
			last = "";
		} catch (error) {
			last = error instanceof Error ? `: ${error.message}` : "";
		}
		if (performance.now() > untilMs) {
			const seconds = Math.round(options.withinMs / 1000);
			throw new Error(`${what}: not within ${seconds} s${last}${options.hint ? `\n${options.hint}` : ""}`);
		}
		await sleep(everyMs);
	}
}

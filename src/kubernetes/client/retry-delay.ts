// How long to wait before the API server is asked again: short at first, longer each time, never the same for all who wait.

export interface RetryConfig {
	readonly firstMs: number;
	readonly maxMs: number;
}

export const defaultRetryConfig: RetryConfig = { firstMs: 200, maxMs: 10_000 };

/**
 * `failures` in a row, from 1; `random` from 0 to below 1: half of the time is by chance. A server that says how long it wants to
 * be left alone (`Retry-After`) is left alone at least so long, up to a minute.
 */
export function retryDelayMs(config: RetryConfig, failures: number, random: number, askedMs = 0): number {
	const fullMs = Math.min(config.maxMs, config.firstMs * 2 ** Math.min(failures - 1, 20));
	return Math.max(fullMs / 2 + (fullMs / 2) * random, Math.min(askedMs, 60_000) * (1 + random / 4));
}

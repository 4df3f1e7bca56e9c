// A token bucket for each of many callers, bounded in memory. Time comes in.

export interface RateLimitConfig {
	readonly perSecond: number;
	/** How many may come at once after a pause. */
	readonly burst: number;
	/** Callers kept track of; the one that was quiet longest is forgotten first. Default 10,000. */
	readonly mostCallers?: number;
}

export class RateLimit {
	readonly #config: RateLimitConfig;
	readonly #buckets = new Map<string, { readonly left: number; readonly atMs: number }>();

	constructor(config: RateLimitConfig) {
		this.#config = config;
	}

	/** True: it may. `nowMs` is monotonic. */
	take(caller: string, nowMs: number): boolean {
		const { burst, mostCallers = 10_000, perSecond } = this.#config;
		const bucket = this.#buckets.get(caller) ?? { left: burst, atMs: nowMs };
		const filled = Math.min(burst, bucket.left + ((nowMs - bucket.atMs) / 1000) * perSecond);
		const may = filled >= 1;
		this.#buckets.delete(caller);
		this.#buckets.set(caller, { left: may ? filled - 1 : filled, atMs: nowMs });
		const quietest = this.#buckets.keys().next();
		if (this.#buckets.size > mostCallers && !quietest.done) this.#buckets.delete(quietest.value);
		return may;
	}
}

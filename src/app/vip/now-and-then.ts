// What packets of others cause is said once in a while: made-up senders must neither fill the log nor start scripts.

export class NowAndThen {
	readonly #toldUs = new Map<string, number>();

	/** True at most once in so long for each kind of news. */
	mayTell(what: string, nowUs: number, everyMs: number): boolean {
		if (nowUs - (this.#toldUs.get(what) ?? Number.NEGATIVE_INFINITY) < everyMs * 1000) return false;
		this.#toldUs.set(what, nowUs);
		return true;
	}
}

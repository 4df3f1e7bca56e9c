// Those who wait until something is in a certain state.

export class StateWaiters<State> {
	readonly #waiting = new Set<(state: State) => boolean>();

	/** Resolves as soon as a state satisfies the condition, at once when `now` does; rejects never. */
	when(now: State, condition: (state: State) => boolean): Promise<State> {
		if (condition(now)) return Promise.resolve(now);
		return new Promise((resolve) => {
			this.#waiting.add((state) => {
				if (!condition(state)) return false;
				resolve(state);
				return true;
			});
		});
	}

	tell(state: State): void {
		for (const waiting of this.#waiting) if (waiting(state)) this.#waiting.delete(waiting);
	}
}

// Whether a silent machine is news to this node. In: all that are silent, again and again; who is said to be lost. Out: true once for each
// machine, until it is heard again: whoever asked its control plane then need not ask it a second time.

export class SilenceNews {
	readonly #known = new Set<string>();

	/** All that are silent now. */
	silent(nodes: readonly string[]): boolean {
		const now = new Set(nodes);
		const isNews = nodes.some((node) => !this.#known.has(node));
		for (const node of this.#known) if (!now.has(node)) this.#known.delete(node);
		for (const node of nodes) this.#known.add(node);
		return isNews;
	}

	/** Somebody else says so of one. */
	lost(node: string): boolean {
		const isNews = !this.#known.has(node);
		this.#known.add(node);
		return isNews;
	}
}

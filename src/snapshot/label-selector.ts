// Equality-based label selectors, and an index that answers "which of thousands of selectors select these labels".

type Labels = Readonly<Record<string, string>>;

/** Whether labels carry every pair of the selector. An empty selector selects everything. */
export function selects(selector: Labels, labels: Labels): boolean {
	for (const key of Object.keys(selector)) if (labels[key] !== selector[key]) return false;
	return true;
}

export interface SelectorEntry<T> {
	readonly namespace: string;
	readonly selector: Labels;
	readonly value: T;
}

export interface SelectorIndex<T> {
	/** `namespace|key=value` of the first pair of each selector, by key. */
	readonly byFirstPair: ReadonlyMap<string, readonly SelectorEntry<T>[]>;
}

/** Entries with an empty selector select nothing here, as in a Kubernetes Service. */
export function indexSelectors<T>(entries: Iterable<SelectorEntry<T>>): SelectorIndex<T> {
	const byFirstPair = new Map<string, SelectorEntry<T>[]>();
	for (const entry of entries) {
		const key = Object.keys(entry.selector).sort()[0];
		if (key === undefined) continue;
		const pair = `${entry.namespace}|${key}=${entry.selector[key]}`;
		const list = byFirstPair.get(pair);
		if (list === undefined) byFirstPair.set(pair, [entry]);
		else list.push(entry);
	}
	return { byFirstPair };
}

export function selectedBy<T>(index: SelectorIndex<T>, namespace: string, labels: Labels): readonly T[] {
	const found: T[] = [];
	for (const key of Object.keys(labels)) {
		for (const entry of index.byFirstPair.get(`${namespace}|${key}=${labels[key]}`) ?? [])
			if (selects(entry.selector, labels)) found.push(entry.value);
	}
	return found;
}

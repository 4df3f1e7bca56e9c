// Whether two plain values (JSON, arrays, maps) say the same. Equal identities are not looked into, so comparing two
// views that share most of their parts is cheap.

/** Absent fields and fields that are undefined are the same. */
export function sameValue(a: unknown, b: unknown): boolean {
	if (Object.is(a, b)) return true;
	if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
	if (Array.isArray(a)) return Array.isArray(b) && sameItems(a, b, sameValue);
	if (a instanceof Map) return b instanceof Map && sameMap(a, b);
	return sameFields(a as Fields, b as Fields);
}

export function sameItems<T>(
	a: readonly T[],
	b: readonly T[],
	same: (a: T, b: T) => boolean = (one, other) => one === other,
): boolean {
	return a.length === b.length && a.every((item, index) => same(item, b[index] as T));
}

/** The older of two equal values, so that what did not change keeps its identity. */
export function keepIdentity<T>(previous: T | undefined, next: T): T {
	return previous !== undefined && sameValue(previous, next) ? previous : next;
}

type Fields = Readonly<Record<string, unknown>>;

function sameMap(a: ReadonlyMap<unknown, unknown>, b: ReadonlyMap<unknown, unknown>): boolean {
	if (a.size !== b.size) return false;
	for (const [key, value] of a) if (!b.has(key) || !sameValue(value, b.get(key))) return false;
	return true;
}

function sameFields(a: Fields, b: Fields): boolean {
	for (const key of Object.keys(a)) if (!sameValue(a[key], b[key])) return false;
	for (const key of Object.keys(b)) if (b[key] !== undefined && a[key] === undefined) return false;
	return true;
}

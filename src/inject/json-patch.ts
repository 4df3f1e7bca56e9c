// Two JSON values -> the operations that make the one into the other (RFC 6902): add, remove, replace. Items that stand at the
// beginning and at the end of both lists are left alone, so a container put in front is one `add`.

import { isObject } from "./pod-shape.ts";

export interface PatchOperation {
	readonly op: "add" | "remove" | "replace";
	/** JSON pointer (RFC 6901). */
	readonly path: string;
	readonly value?: unknown;
}

export function planJsonPatch(before: unknown, after: unknown): readonly PatchOperation[] {
	return differ(before, after, "");
}

function differ(before: unknown, after: unknown, path: string): readonly PatchOperation[] {
	if (isSame(before, after)) return [];
	if (Array.isArray(before) && Array.isArray(after)) return differLists(before, after, path);
	if (isObject(before) && isObject(after)) return differObjects(before, after, path);
	return [{ op: "replace", path, value: after }];
}

type Fields = Readonly<Record<string, unknown>>;

function differObjects(before: Fields, after: Fields, path: string): readonly PatchOperation[] {
	const at = (field: string): string => `${path}/${field.replaceAll("~", "~0").replaceAll("/", "~1")}`;
	const isThere = (fields: Fields, field: string): boolean =>
		Object.hasOwn(fields, field) && fields[field] !== undefined;
	const removed = Object.keys(before).filter((field) => isThere(before, field) && !isThere(after, field));
	const kept = Object.keys(after).filter((field) => isThere(after, field));
	return [
		...removed.map((field): PatchOperation => ({ op: "remove", path: at(field) })),
		...kept.flatMap((field): readonly PatchOperation[] =>
			isThere(before, field)
				? differ(before[field], after[field], at(field))
				: [{ op: "add", path: at(field), value: after[field] }],
		),
	];
}

function differLists(before: readonly unknown[], after: readonly unknown[], path: string): readonly PatchOperation[] {
	const shorter = Math.min(before.length, after.length);
	// Items that only changed are compared with what has their name, not with what has their place.
	const isPair = (a: unknown, b: unknown): boolean =>
		isSame(a, b) || (nameOf(a) !== undefined && nameOf(a) === nameOf(b));
	let head = 0;
	while (head < shorter && isPair(before[head], after[head])) head++;
	let tail = 0;
	while (tail < shorter - head && isPair(before[before.length - 1 - tail], after[after.length - 1 - tail])) tail++;
	const gone = before.length - head - tail;
	const come = after.slice(head, after.length - tail);
	const both = Math.min(gone, come.length);
	const operations: PatchOperation[] = [];
	for (let index = 0; index < head + both; index++)
		operations.push(...differ(before[index], after[index], `${path}/${index}`));
	for (let index = gone - 1; index >= both; index--) operations.push({ op: "remove", path: `${path}/${head + index}` });
	for (let index = both; index < come.length; index++)
		operations.push({ op: "add", path: `${path}/${head + index}`, value: come[index] });
	for (let index = 0; index < tail; index++) {
		const place = after.length - tail + index;
		operations.push(...differ(before[before.length - tail + index], after[place], `${path}/${place}`));
	}
	return operations;
}

function nameOf(value: unknown): unknown {
	return isObject(value) ? value.name : undefined;
}

/** Fields that are undefined count as absent, as in JSON. */
function isSame(a: unknown, b: unknown): boolean {
	if (a === b) return true;
	if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((item, at) => isSame(item, b[at]));
	if (!isObject(a) || !isObject(b)) return false;
	const fields = new Set([...Object.keys(a), ...Object.keys(b)]);
	return [...fields].every((field) => isSame(a[field], b[field]));
}

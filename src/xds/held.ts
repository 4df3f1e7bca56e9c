// What a client has of one type. Mostly "all of these parts", which costs a reference for each part; what differs from
// that is said name by name.

import type { EncodedResource, ResourcePart, ResourceSet } from "./resource.ts";

/** Version of a name that the client was told does not exist. */
export const toldMissing = "";

export interface Held {
	/** Parts that the client has whole. */
	readonly parts: readonly ResourcePart[];
	/** Goes before the parts. Undefined: the client does not have it (or must get it again). */
	readonly overrides: ReadonlyMap<string, string | undefined>;
}

const noOverrides: ReadonlyMap<string, string | undefined> = new Map();

export const holdsNothing: Held = { parts: [], overrides: noOverrides };

export function heldFrom(parts: readonly ResourcePart[], overrides: ReadonlyMap<string, string | undefined>): Held {
	return { parts, overrides: overrides.size === 0 ? noOverrides : overrides };
}

/** The version that the client has; undefined if it has none, `toldMissing` if it knows that there is none. */
export function heldVersion(held: Held, name: string): string | undefined {
	if (held.overrides.size > 0 && held.overrides.has(name)) return held.overrides.get(name);
	return findInParts(held.parts, name)?.version;
}

/** Makes the client get these again. Names it does not have are left alone: they are sent anyway. */
export function forget(held: Held, names: Iterable<string>): Held {
	let overrides: Map<string, string | undefined> | undefined;
	for (const name of names) {
		if (heldVersion(held, name) === undefined) continue;
		overrides ??= new Map(held.overrides);
		overrides.set(name, undefined);
	}
	return overrides ? { parts: held.parts, overrides } : held;
}

export function findInParts(parts: readonly ResourcePart[], name: string): EncodedResource | undefined {
	for (const part of parts) {
		const resource = part.resources.get(name);
		if (resource) return resource;
	}
	return undefined;
}

export function findResource(set: ResourceSet | undefined, name: string): EncodedResource | undefined {
	return set && findInParts(set.parts, name);
}

// (what a client asked for, what it has, what should be) -> what to send it and what it then has. The same plan serves
// delta and state-of-the-world streams. Shared parts and differences stay whole, so that their bytes are made once.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds

import { findInParts, findResource, type Held, heldFrom, toldMissing } from "./held.ts";
import { diffParts, type PartDiff } from "./part-diff.ts";
import type { EncodedResource, ResourcePart, ResourceSet } from "./resource.ts";
import { coversPart, isSubscribed, type Subscription } from "./subscription.ts";

/** Resources to send; `part` and `diff` are shared between streams. */
export type Piece =
	| { readonly kind: "part"; readonly part: ResourcePart }
	| { readonly kind: "diff"; readonly diff: PartDiff }
	| { readonly kind: "resources"; readonly resources: readonly EncodedResource[] };

export interface Removal {
	readonly name: string;
	/** The version that the client still has. */
	readonly version: string;
	/** What it still has, where that is known. */
	readonly resource?: EncodedResource;
}

export interface DeltaPlan {
	readonly pieces: readonly Piece[];
	/** Asked for by name and not there: to be told at once. */
	readonly missing: readonly string[];
	/** Gone: to be told when nothing can need it any more. Still part of `held`. */
	readonly removals: readonly Removal[];
	/** What the client has once it took the pieces and heard what is missing. */
	readonly held: Held;
}

export function planDelta(subscription: Subscription, held: Held, set: ResourceSet | undefined): DeltaPlan {
	const parts = set?.parts ?? [];
	if (held.overrides.size === 0 && sameParts(held.parts, parts) && coversAll(subscription, parts))
		return { pieces: [], missing: [], removals: [], held };

	const pieces: Piece[] = [];
	const overrides = new Map(held.overrides);
	const whole = parts.filter((part) => coversPart(subscription, part));
	const gone = planWholeParts(held, parts, whole, overrides, pieces);
	// A name may move from one part to another: it is gone only if no part that the client has whole holds it.
	const goneByName = new Map<string, EncodedResource>();
	for (const resource of gone) {
		if (overrides.has(resource.name) || findInParts(whole, resource.name)) continue;
		overrides.set(resource.name, resource.version);
		goneByName.set(resource.name, resource);
	}

	const own: EncodedResource[] = [];
	const missing: string[] = [];
	const removals: Removal[] = [];
	for (const [name, version] of overrides) {
		const next = isSubscribed(subscription, name) ? findResource(set, name) : undefined;
		if (next) {
			if (next.version !== version) own.push(next);
			if (findInParts(whole, name)) overrides.delete(name);
			else overrides.set(next.name, next.version);
		} else if (subscription.names.has(name) && (version === undefined || version === toldMissing)) {
			if (version === undefined) missing.push(name);
			overrides.set(name, toldMissing);
		} else if (isSubscribed(subscription, name) && version !== undefined && version !== toldMissing) {
			const resource = goneByName.get(name);
			removals.push({ name, version, ...(resource && { resource }) });
		} else {
			if (subscription.wildcard && version === undefined) missing.push(name);
			overrides.delete(name);
		}
	}
	if (!namesAreCovered(subscription, whole)) {
		for (const name of subscription.names) {
			if (overrides.has(name) || findInParts(whole, name)) continue;
			const next = findResource(set, name);
			if (next) own.push(next);
			else missing.push(name);
			overrides.set(next?.name ?? name, next?.version ?? toldMissing);
		}
	}
	if (own.length > 0) pieces.push({ kind: "resources", resources: own });
	return { pieces, missing, removals, held: heldFrom(whole.length === parts.length ? parts : whole, overrides) };
}

/**
 * Brings the client from the parts that it has to `whole`: fills `pieces`, takes from `overrides` what they answer, and
 * returns what only the older parts had.
 */
function planWholeParts(
	held: Held,
	parts: readonly ResourcePart[],
	whole: readonly ResourcePart[],
	overrides: Map<string, string | undefined>,
	pieces: Piece[],
): readonly EncodedResource[] {
	const gone: EncodedResource[] = [];
	const before = new Set(held.parts);
	const after = new Set(whole);
	const present = new Set(parts);
	const replaced: ResourcePart[] = [];
	for (const part of held.parts) {
		if (after.has(part)) continue;
		if (present.has(part)) gone.push(...part.resources.values());
		else replaced.push(part);
	}
	for (const part of whole) {
		if (before.has(part)) continue;
		const older = replaced.shift();
		if (older) {
			const diff = diffParts(older, part);
			gone.push(...diff.removals);
			const upserts = overrides.size === 0 ? diff.upserts : diff.upserts.filter(({ name }) => !overrides.has(name));
			if (upserts.length === diff.upserts.length && upserts.length > 0) pieces.push({ kind: "diff", diff });
			else if (upserts.length > 0) pieces.push({ kind: "resources", resources: upserts });
		} else {
			if (part.resources.size > 0) pieces.push({ kind: "part", part });
			if (overrides.size > 0) for (const name of part.resources.keys()) overrides.delete(name);
		}
	}
	for (const part of replaced) gone.push(...part.resources.values());
	return gone;
}

/** The same said shorter, for a client that came back and named its versions: "this part" instead of a thousand names. */
export function adoptParts(subscription: Subscription, held: Held, set: ResourceSet | undefined): Held {
	if (held.parts.length > 0 || held.overrides.size === 0) return held;
	const overrides = new Map(held.overrides);
	const parts = (set?.parts ?? []).filter((part) => coversPart(subscription, part) && adoptPart(part, overrides));
	return parts.length === 0 ? held : heldFrom(parts, overrides);
}

/** True if the client has nearly all of the part: from now on it has the part, with exceptions. */
function adoptPart(part: ResourcePart, overrides: Map<string, string | undefined>): boolean {
	const { resources } = part;
	if (overrides.size === 0) return false;
	let equal = 0;
	for (const { name, version } of resources.values()) if (overrides.get(name) === version) equal++;
	// Of many exceptions each stream would need bytes of its own; the whole part has shared ones.
	if (equal === 0 || resources.size - equal > Math.max(64, resources.size / 8)) return false;
	for (const { name, version } of resources.values()) {
		if (overrides.get(name) === version) overrides.delete(name);
		else if (!overrides.has(name)) overrides.set(name, undefined);
	}
	return true;
}

/** What the client has after it was told of the removals. */
export function heldAfterRemovals(held: Held, removals: readonly Removal[], subscription: Subscription): Held {
	if (removals.length === 0) return held;
	const overrides = new Map(held.overrides);
	for (const { name } of removals) {
		if (subscription.names.has(name)) overrides.set(name, toldMissing);
		else overrides.delete(name);
	}
	return heldFrom(held.parts, overrides);
}

export function resourcesOf(piece: Piece): Iterable<EncodedResource> {
	switch (piece.kind) {
		case "part":
			return piece.part.resources.values();
		case "diff":
			return piece.diff.upserts;
		case "resources":
			return piece.resources;
		default:
			return piece satisfies never;
	}
}

export function countOf(piece: Piece): number {
	if (piece.kind === "part") return piece.part.resources.size;
	return piece.kind === "diff" ? piece.diff.upserts.length : piece.resources.length;
}

export function sameParts(a: readonly ResourcePart[], b: readonly ResourcePart[]): boolean {
	return a === b || (a.length === b.length && a.every((part, index) => part === b[index]));
}

function coversAll(subscription: Subscription, parts: readonly ResourcePart[]): boolean {
	return parts.every((part) => coversPart(subscription, part)) && namesAreCovered(subscription, parts);
}

/** True if every name is in one of the parts, all of which the subscription covers. */
function namesAreCovered({ wildcard, names }: Subscription, whole: readonly ResourcePart[]): boolean {
	if (names.size === 0) return true;
	if (!wildcard) return names.size === whole.reduce((sum, part) => sum + part.resources.size, 0);
	for (const name of names) if (!findInParts(whole, name)) return false;
	return true;
}

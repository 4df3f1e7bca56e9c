// State of the world: what one response holds, and the version that stands for it.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#grouping-resources-into-responses

import { contentHash } from "./content-hash.ts";
import { findInParts } from "./held.ts";
import type { Piece } from "./plan-delta.ts";
import type { EncodedResource, ResourcePart, ResourceSet } from "./resource.ts";
import { coversPart, type Subscription } from "./subscription.ts";
import { ownsFullSet, type TypeSession } from "./type-session.ts";

/** Clusters and listeners: everything asked for, and what lingers. Other types: what changed. */
export function sotwPieces(
	{ typeUrl, subscription }: TypeSession,
	set: ResourceSet | undefined,
	changed: readonly Piece[],
	lingering: Iterable<EncodedResource>,
): readonly Piece[] {
	if (!ownsFullSet(typeUrl)) return changed;
	const { whole, resources } = askedFor(subscription, set);
	return [
		...whole.map((part) => ({ kind: "part" as const, part })),
		{ kind: "resources", resources: [...resources, ...lingering] },
	];
}

const hashOfPart = new WeakMap<ResourcePart, string>();

/** A hash of the names and versions of all that was asked for: equal on every replica, and after a restart. */
export function sotwVersion(subscription: Subscription, set: ResourceSet | undefined): string {
	const { whole, resources } = askedFor(subscription, set);
	const hashes = whole.map((part) => {
		let hash = hashOfPart.get(part);
		if (hash === undefined) {
			hash = hashOf([...part.resources.values()].map(({ name, version }) => `${name}=${version}`));
			hashOfPart.set(part, hash);
		}
		return hash;
	});
	return hashOf([...hashes, ...resources.map(({ name, version }) => `${name}=${version}`).sort()]);
}

function hashOf(lines: readonly string[]): string {
	return contentHash(new TextEncoder().encode(lines.join("\n")));
}

function askedFor(
	subscription: Subscription,
	set: ResourceSet | undefined,
): { readonly whole: readonly ResourcePart[]; readonly resources: readonly EncodedResource[] } {
	const parts = set?.parts ?? [];
	const whole = parts.filter((part) => coversPart(subscription, part));
	const rest = parts.filter((part) => !whole.includes(part));
	const resources: EncodedResource[] = [];
	if (rest.length > 0)
		for (const name of subscription.names) {
			const resource = findInParts(rest, name);
			if (resource) resources.push(resource);
		}
	return { whole, resources };
}

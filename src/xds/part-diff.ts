// What changed between two versions of a part. Remembered by identity: a hundred streams in sync with the older part share
// one difference, and with it one set of bytes.

import type { EncodedResource, ResourcePart } from "./resource.ts";

export interface PartDiff {
	/** New, or of another version; as in the newer part. */
	readonly upserts: readonly EncodedResource[];
	/** No longer there; as in the older part. */
	readonly removals: readonly EncodedResource[];
}

const remembered = new WeakMap<ResourcePart, WeakMap<ResourcePart, PartDiff>>();

export function diffParts(from: ResourcePart, to: ResourcePart): PartDiff {
	let ofNewer = remembered.get(to);
	if (!ofNewer) {
		ofNewer = new WeakMap();
		remembered.set(to, ofNewer);
	}
	let diff = ofNewer.get(from);
	if (!diff) {
		diff = computeDiff(from, to);
		ofNewer.set(from, diff);
	}
	return diff;
}

function computeDiff(from: ResourcePart, to: ResourcePart): PartDiff {
	const upserts: EncodedResource[] = [];
	const removals: EncodedResource[] = [];
	for (const resource of to.resources.values())
		if (from.resources.get(resource.name)?.version !== resource.version) upserts.push(resource);
	for (const resource of from.resources.values()) if (!to.resources.has(resource.name)) removals.push(resource);
	return { upserts, removals };
}

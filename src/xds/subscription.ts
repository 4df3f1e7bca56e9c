// What one stream asked for of one type: names, everything ("*"), or both. Requests in, subscription out.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#how-the-client-specifies-what-resources-to-return

import type { DeltaRequest, SotwRequest } from "./request.ts";
import { type ResourcePart, type ResourceSet, type TypeUrl, typeUrls } from "./resource.ts";

export interface Subscription {
	readonly wildcard: boolean;
	/** True once any name (or "*") was given on this stream: from then on an empty list means nothing, not everything. */
	readonly explicit: boolean;
	readonly names: ReadonlySet<string>;
}

export interface SubscriptionChange {
	readonly subscription: Subscription;
	/** Names that must be answered, also when the client asked for them before. */
	readonly asked: readonly string[];
}

const noNames: ReadonlySet<string> = new Set();

/** Types that a client always names one by one: an empty first request asks for nothing. */
const namedTypes: ReadonlySet<TypeUrl> = new Set([typeUrls.endpoints, typeUrls.route, typeUrls.secret]);

export function subscribeDelta(
	before: Subscription | undefined,
	request: DeltaRequest,
	set: ResourceSet | undefined,
): SubscriptionChange {
	const start = before ?? { wildcard: !namedTypes.has(request.typeUrl), explicit: false, names: noNames };
	const { subscribe, unsubscribe } = request;
	if (subscribe.length === 0 && unsubscribe.length === 0) return { subscription: start, asked: [] };
	// The very first request ends the legacy wildcard when it names something; a later one adds to it.
	let wildcard = before === undefined && subscribe.length > 0 ? false : start.wildcard;
	const names = new Set(start.names);
	const asked: string[] = [];
	for (const given of unsubscribe) {
		if (given === "*") wildcard = false;
		// Whether a wildcard subscription still has it is for the server to say.
		else if (names.delete(given) && wildcard) asked.push(given);
	}
	for (const given of subscribe) {
		if (given === "*") wildcard = true;
		else {
			const name = ownName(set, given);
			names.add(name);
			asked.push(name);
		}
	}
	const explicit = start.explicit || subscribe.length > 0;
	return { subscription: { wildcard, explicit, names: sharedNames(names, set) }, asked };
}

export function subscribeSotw(
	before: Subscription | undefined,
	request: SotwRequest,
	set: ResourceSet | undefined,
): SubscriptionChange {
	const explicit = before?.explicit === true || request.names.length > 0;
	if (!explicit)
		return { subscription: { wildcard: !namedTypes.has(request.typeUrl), explicit, names: noNames }, asked: [] };
	const names = new Set<string>();
	let wildcard = false;
	for (const given of request.names) {
		if (given === "*") wildcard = true;
		else names.add(ownName(set, given));
	}
	// Almost every request repeats the names of the last one: keep that object.
	const kept = before && before.names.size === names.size && names.isSubsetOf(before.names) ? before.names : undefined;
	const asked = kept ? [] : [...names].filter((name) => !before?.names.has(name));
	return { subscription: { wildcard, explicit, names: kept ?? sharedNames(names, set) }, asked };
}

export function isSubscribed(subscription: Subscription, name: string): boolean {
	return subscription.wildcard || subscription.names.has(name);
}

const covered = new WeakMap<ReadonlySet<string>, WeakMap<ResourcePart, boolean>>();

/** True if the subscription takes in every resource of the part. Remembered, as many streams share names and part. */
export function coversPart({ wildcard, names }: Subscription, part: ResourcePart): boolean {
	if (wildcard) return true;
	if (names.size < part.resources.size) return false;
	let ofNames = covered.get(names);
	if (!ofNames) {
		ofNames = new WeakMap();
		covered.set(names, ofNames);
	}
	const known = ofNames.get(part);
	if (known !== undefined) return known;
	let covers = true;
	for (const name of part.resources.keys()) {
		if (names.has(name)) continue;
		covers = false;
		break;
	}
	ofNames.set(part, covers);
	return covers;
}

const namesOfPart = new WeakMap<ResourcePart, ReadonlySet<string>>();

/** The part's own set of names when it is equal: hundreds of streams that ask for the same then hold one object. */
function sharedNames(names: ReadonlySet<string>, set: ResourceSet | undefined): ReadonlySet<string> {
	if (names.size === 0) return noNames;
	for (const part of set?.parts ?? []) {
		if (part.resources.size !== names.size) continue;
		let own = namesOfPart.get(part);
		if (!own) {
			own = new Set(part.resources.keys());
			namesOfPart.set(part, own);
		}
		if (own.isSubsetOf(names)) return own;
	}
	return names;
}

/** The equal string that the resource already holds, so that a name is in memory once. */
function ownName(set: ResourceSet | undefined, name: string): string {
	for (const part of set?.parts ?? []) {
		const resource = part.resources.get(name);
		if (resource) return resource.name;
	}
	return name;
}

// One type of one stream: what was asked for, sent, confirmed and refused. Requests and answers in, new state out.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#ack-nack-and-resource-type-instance-version

import { findInParts, forget, type Held, heldFrom, heldVersion, holdsNothing } from "./held.ts";
import { type Piece, resourcesOf } from "./plan-delta.ts";
import type { RequestError, XdsRequest } from "./request.ts";
import type { EncodedResource, ResourceSet, TypeUrl } from "./resource.ts";
import { type Subscription, subscribeDelta, subscribeSotw } from "./subscription.ts";

export interface Rejection extends RequestError {
	readonly nonce: string;
	readonly atMs: number;
	/** Name -> version of what was refused: the resources that the client's message names, else the whole response. */
	readonly versions: ReadonlyMap<string, string>;
}

export interface InFlight {
	readonly nonce: string;
	readonly sentAtMs: number;
	/** What the client has if it takes the response. */
	readonly held: Held;
	readonly pieces: readonly Piece[];
}

export interface TypeSession {
	readonly typeUrl: TypeUrl;
	readonly subscription: Subscription;
	/** What the client has if it takes all that was sent. */
	readonly held: Held;
	/** What it confirmed. */
	readonly acked: Held;
	/** An answer is owed even if it is empty, so that a client that starts need not wait. */
	readonly answerOwed: boolean;
	/** At most one response of a type waits for its ACK; later changes wait as one. */
	readonly inFlight?: InFlight;
	readonly nonceSent: string;
	readonly nonceAcked: string;
	readonly rejection?: Rejection;
	/** Nothing is left to send of this set to this subscription. */
	readonly settled?: {
		readonly set: ResourceSet | undefined;
		readonly subscription: Subscription;
		readonly held: Held;
	};
	/** When what the client should have last changed; absent once it confirmed it. */
	readonly changedAtMs?: number;
	/** From the last such change to its ACK. */
	readonly convergedInMs?: number;
	/** Since when removals wait for others to let go. */
	readonly removalsSinceMs?: number;
	/** State of the world only: gone, but still part of each full set until nothing can need it. */
	readonly lingering: ReadonlyMap<string, EncodedResource>;
	/** State of the world only: the version that the client says it has on a new stream. */
	readonly claimedVersion?: string;
}

const nothingLingers: ReadonlyMap<string, EncodedResource> = new Map();

/** The first request of a type on a stream. `again`: names that must be sent even if the client has them. */
export function openType(
	request: XdsRequest,
	set: ResourceSet | undefined,
	again: "all" | Iterable<string>,
): TypeSession {
	const isDelta = request.protocol === "delta";
	const { subscription } = isDelta ? subscribeDelta(undefined, request, set) : subscribeSotw(undefined, request, set);
	let held = holdsNothing;
	if (isDelta && request.initialVersions.size > 0 && again !== "all")
		held = forget(heldFrom([], request.initialVersions), again);
	return {
		typeUrl: request.typeUrl,
		subscription,
		held,
		acked: held,
		answerOwed: isDelta ? subscription.wildcard && request.initialVersions.size === 0 : ownsFullSet(request.typeUrl),
		nonceSent: "",
		nonceAcked: "",
		lingering: nothingLingers,
		...(!isDelta && request.version !== "" && again !== "all" && { claimedVersion: request.version }),
	};
}

/** Types whose state-of-the-world responses are always complete: what is not in one is gone. */
export function ownsFullSet(typeUrl: TypeUrl): boolean {
	return typeUrl.endsWith(".Cluster") || typeUrl.endsWith(".Listener");
}

export type Answer = "none" | "stale" | "acknowledged" | "rejected";

/** A further request: an ACK, a NACK, a change of the subscription, or both at once. */
export function takeRequest(
	before: TypeSession,
	request: XdsRequest,
	set: ResourceSet | undefined,
	atMs: number,
): { readonly type: TypeSession; readonly answer: Answer } {
	const isStale = request.nonce !== before.nonceSent;
	if (request.protocol === "sotw") {
		// The names in a request that answers an older response are out of date too: a newer request is under way.
		if (isStale) return { type: before, answer: "stale" };
		const { type, answer } = takeAnswer(before, request, atMs);
		const { subscription, asked } = subscribeSotw(before.subscription, request, set);
		return { type: { ...type, subscription, held: forget(type.held, asked) }, answer };
	}
	// A delta request changes the subscription whatever its nonce says: the nonce belongs to the ACK alone.
	const { type, answer } = isStale
		? { type: before, answer: request.nonce === "" ? ("none" as const) : ("stale" as const) }
		: takeAnswer(before, request, atMs);
	const { subscription, asked } = subscribeDelta(before.subscription, request, set);
	return { type: { ...type, subscription, held: forget(type.held, asked) }, answer };
}

function takeAnswer(
	before: TypeSession,
	request: XdsRequest,
	atMs: number,
): { readonly type: TypeSession; readonly answer: Answer } {
	const { inFlight, ...rest } = before;
	if (!inFlight || request.nonce === "") return { type: before, answer: "none" };
	if (!request.error) {
		const rejection = request.protocol === "sotw" ? undefined : stillStanding(before.rejection, inFlight);
		const { rejection: _, ...clean } = rest;
		const acked = exceptRejected(inFlight.held, before.acked, rejection);
		const type = { ...clean, acked, nonceAcked: inFlight.nonce, ...(rejection && { rejection }) };
		return { type, answer: "acknowledged" };
	}
	const versions = rejectedVersions(inFlight.pieces, request.error.message);
	for (const [name, version] of stillStanding(before.rejection, inFlight)?.versions ?? [])
		if (!versions.has(name)) versions.set(name, version);
	const rejection = { ...request.error, nonce: inFlight.nonce, atMs, versions };
	// Envoy takes the good resources of a delta and refuses the bad ones; of a full set others may take nothing.
	const acked = request.protocol === "delta" ? exceptRejected(inFlight.held, before.acked, rejection) : before.acked;
	return { type: { ...rest, acked, rejection }, answer: "rejected" };
}

/** The resources whose names the client's message contains; all of them if it names none. */
function rejectedVersions(pieces: readonly Piece[], message: string): Map<string, string> {
	const named = new Map<string, string>();
	const all = new Map<string, string>();
	for (const piece of pieces) {
		for (const { name, version } of resourcesOf(piece)) {
			all.set(name, version);
			if (containsName(message, name)) named.set(name, version);
		}
	}
	return named.size > 0 ? named : all;
}

/** As a whole word: a complaint about `reviews-v2` is none about `reviews`. */
function containsName(message: string, name: string): boolean {
	if (name === "") return false;
	for (let at = message.indexOf(name); at !== -1; at = message.indexOf(name, at + 1)) {
		const around = (message[at - 1] ?? " ") + (message[at + name.length] ?? " ");
		if (!/[\w|-]/.test(around)) return true;
	}
	return false;
}

/** What is left of an older rejection after a response that brought newer versions of some of it. */
function stillStanding(rejection: Rejection | undefined, inFlight: InFlight): Rejection | undefined {
	if (!rejection) return undefined;
	const versions = new Map<string, string>();
	for (const [name, version] of rejection.versions)
		if (heldVersion(inFlight.held, name) === version && !wasSentAgain(inFlight, name)) versions.set(name, version);
	return versions.size > 0 ? { ...rejection, versions } : undefined;
}

function wasSentAgain(inFlight: InFlight, name: string): boolean {
	return inFlight.pieces.some((piece) =>
		piece.kind === "part"
			? findInParts([piece.part], name) !== undefined
			: [...resourcesOf(piece)].some((resource) => resource.name === name),
	);
}

function exceptRejected(held: Held, ackedBefore: Held, rejection: Rejection | undefined): Held {
	if (!rejection) return held;
	const overrides = new Map(held.overrides);
	for (const [name, version] of rejection.versions)
		if (heldVersion(held, name) === version) {
			const good = heldVersion(ackedBefore, name);
			overrides.set(name, good === version ? undefined : good);
		}
	return heldFrom(held.parts, overrides);
}

// What an operator may know of one stream: per type what was sent, confirmed and refused. In Istio's words
// (`istioctl proxy-status`): SYNCED, STALE, NOT SENT, ERROR.

import { contentHash } from "./content-hash.ts";
import { findResource, heldVersion } from "./held.ts";
import type { ProxyConfig, TypeUrl } from "./resource.ts";
import type { SessionState } from "./session.ts";
import { sotwVersion } from "./sotw.ts";
import { isSubscribed } from "./subscription.ts";
import type { TypeSession } from "./type-session.ts";

export type SyncState = "SYNCED" | "STALE" | "NOT SENT" | "ERROR";

export interface TypeStatus {
	readonly typeUrl: TypeUrl;
	readonly sync: SyncState;
	readonly nonceSent: string;
	readonly nonceAcked: string;
	/** Hash over the names and versions that the proxy should have; equal on proxies that should have the same. */
	readonly version: string;
	/** How many resources the proxy should have. */
	readonly resources: number;
	/** From the last change to its ACK; absent while one is under way or before the first. */
	readonly convergedInMs?: number;
	readonly error?: {
		readonly code: number;
		/** The client's own words. */
		readonly message: string;
		readonly names: readonly string[];
		/** On the monotonic clock. */
		readonly atMs: number;
	};
}

export function typeStatuses(state: SessionState): readonly TypeStatus[] {
	return [...state.types.values()].map((type) => typeStatus(state.config, type));
}

function typeStatus(config: ProxyConfig | undefined, type: TypeSession): TypeStatus {
	const { typeUrl, subscription, nonceSent, nonceAcked, convergedInMs, rejection } = type;
	const set = config?.get(typeUrl);
	const sizes = (set?.parts ?? []).map((part) => part.resources.size);
	const resources = subscription.wildcard
		? sizes.reduce((sum, size) => sum + size, 0)
		: [...subscription.names].filter((name) => findResource(set, name)).length;
	return {
		typeUrl,
		sync: syncState(config, type),
		nonceSent,
		nonceAcked,
		version: config ? sotwVersion(subscription, set) : contentHash(new Uint8Array()),
		resources,
		...(convergedInMs !== undefined && type.changedAtMs === undefined && { convergedInMs }),
		...(rejection && {
			error: {
				code: rejection.code,
				message: rejection.message,
				names: [...rejection.versions.keys()],
				atMs: rejection.atMs,
			},
		}),
	};
}

function syncState(config: ProxyConfig | undefined, type: TypeSession): SyncState {
	if (type.rejection) return "ERROR";
	const isSettled = type.settled !== undefined && type.settled.set === config?.get(type.typeUrl);
	if (config && isSettled && !type.inFlight) return "SYNCED";
	return type.nonceSent === "" ? "NOT SENT" : "STALE";
}

/** True when the client has confirmed or refused all of these types that it should have, as far as it asks for them. */
export function hasAnswered(state: SessionState, typeUrls: readonly TypeUrl[]): boolean {
	return typeUrls.every((typeUrl) => {
		const type = state.types.get(typeUrl);
		if (!type || type.rejection) return true;
		return state.config !== undefined && !type.inFlight && type.settled?.set === state.config.get(typeUrl);
	});
}

/** What became of one version of one resource on one stream; `notWanted` if the proxy does not ask for it. */
export type Application =
	| { readonly state: "applied" | "pending" | "notWanted" }
	| { readonly state: "rejected"; readonly because: string };

export function applicationOf(state: SessionState, typeUrl: TypeUrl, name: string, version: string): Application {
	const type = state.types.get(typeUrl);
	if (!type || !isSubscribed(type.subscription, name)) return { state: "notWanted" };
	if (heldVersion(type.acked, name) === version) return { state: "applied" };
	if (type.rejection?.versions.get(name) === version) return { state: "rejected", because: type.rejection.message };
	return findResource(state.config?.get(typeUrl), name)?.version === version
		? { state: "pending" }
		: { state: "notWanted" };
}

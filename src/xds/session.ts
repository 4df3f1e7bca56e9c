// One xDS stream as a function: step(config, state, event) -> {state, actions}. Requests, new configuration and a free
// stream come in; responses to write come out. What waits is one reference, the newest configuration, never a queue.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#eventual-consistency-considerations

import type { Response } from "./encode-response.ts";
import { forget, heldVersion, holdsNothing } from "./held.ts";
import { type Piece, resourcesOf, sameParts } from "./plan-delta.ts";
import { planSends } from "./plan-sends.ts";
import type { XdsRequest } from "./request.ts";
import { type ProxyConfig, type TypeUrl, typeUrls } from "./resource.ts";
import { openType, type TypeSession, takeRequest } from "./type-session.ts";

export interface SessionConfig {
	/** A response of a type that is not answered for so long no longer holds back the next. Default 5,000 ms. */
	readonly ackWaitMs: number;
	/** Removals are sent at the latest so long after they were due, whatever still waits. Default 10,000 ms. */
	readonly removalWaitMs: number;
	/** A client that does not take one message in so long is cut off. Default 60,000 ms. */
	readonly stallMs: number;
	/** Names that one stream may subscribe to, over all types. Default 200,000. */
	readonly maxNames: number;
	/** Types that one stream may ask for. Default 24. */
	readonly maxTypes: number;
}

export const defaultSessionConfig: SessionConfig = {
	ackWaitMs: 5_000,
	removalWaitMs: 10_000,
	stallMs: 60_000,
	maxNames: 200_000,
	maxTypes: 24,
};

export interface SessionState {
	readonly protocol: "delta" | "sotw";
	/** The one pending cell. Absent until the proxy's configuration exists: requests then wait. */
	readonly config?: ProxyConfig;
	/** Set while a message is being written: the next waits for `sent`. */
	readonly sendingSinceMs?: number;
	readonly types: ReadonlyMap<TypeUrl, TypeSession>;
	readonly lastNonce: number;
	/** Clusters sent before the client asked for endpoints: it needs the endpoints of these in any case. */
	readonly rewarm: "all" | ReadonlySet<string>;
}

export type SessionEvent =
	| { readonly type: "requestReceived"; readonly request: XdsRequest; readonly atMs: number }
	| { readonly type: "configChanged"; readonly config: ProxyConfig; readonly atMs: number }
	/** The last message left for the network. */
	| { readonly type: "sent"; readonly atMs: number }
	/** About once a second. */
	| { readonly type: "ticked"; readonly atMs: number };

export type SessionAction =
	| { readonly type: "send"; readonly response: Response }
	| { readonly type: "close"; readonly grpcStatus: number; readonly because: string }
	| { readonly type: "reportAcknowledged"; readonly typeUrl: TypeUrl; readonly nonce: string }
	| {
			readonly type: "reportRejected";
			readonly typeUrl: TypeUrl;
			readonly message: string;
			readonly names: readonly string[];
			/** Version of each of them. */
			readonly versions: ReadonlyMap<string, string>;
			/** Those of which the client still has an older version. */
			readonly kept: ReadonlySet<string>;
	  }
	| { readonly type: "reportConverged"; readonly typeUrl: TypeUrl; readonly ms: number };

export interface SessionStep {
	readonly state: SessionState;
	readonly actions: readonly SessionAction[];
}

const nothingToRewarm: ReadonlySet<string> = new Set();

export function openSession(protocol: "delta" | "sotw"): SessionState {
	return { protocol, types: new Map(), lastNonce: 0, rewarm: nothingToRewarm };
}

export function step(config: SessionConfig, state: SessionState, event: SessionEvent): SessionStep {
	switch (event.type) {
		case "requestReceived":
			return onRequest(config, state, event.request, event.atMs);
		case "configChanged":
			return advance(config, onConfig(state, event.config, event.atMs), event.atMs);
		case "sent": {
			const { sendingSinceMs: _, ...free } = state;
			return advance(config, free, event.atMs);
		}
		case "ticked":
			if (state.sendingSinceMs !== undefined && event.atMs - state.sendingSinceMs >= config.stallMs)
				return close(state, 4, `the client did not take a message for ${config.stallMs} ms`);
			return advance(config, state, event.atMs);
		default:
			return event satisfies never;
	}
}

function onRequest(config: SessionConfig, state: SessionState, request: XdsRequest, atMs: number): SessionStep {
	const { typeUrl } = request;
	const before = state.types.get(typeUrl);
	const set = state.config?.get(typeUrl);
	const actions: SessionAction[] = [];
	let type: TypeSession;
	let rewarm = state.rewarm;
	if (!before) {
		if (state.types.size >= config.maxTypes) return close(state, 8, `more than ${config.maxTypes} types on one stream`);
		const isEndpoints = typeUrl === typeUrls.endpoints;
		type = { ...openType(request, set, isEndpoints ? rewarm : []), changedAtMs: atMs };
		if (isEndpoints) rewarm = nothingToRewarm;
	} else {
		const taken = takeRequest(before, request, set, atMs);
		type = taken.type;
		if (taken.answer === "acknowledged") actions.push({ type: "reportAcknowledged", typeUrl, nonce: type.nonceAcked });
		else if (taken.answer === "rejected" && type.rejection) {
			const { message, versions } = type.rejection;
			const names = [...versions.keys()];
			const kept = new Set(names.filter((name) => heldVersion(before.acked, name)));
			actions.push({ type: "reportRejected", typeUrl, message, names, versions, kept });
		}
	}
	const types = new Map(state.types).set(typeUrl, type);
	let names = 0;
	for (const each of types.values()) names += each.subscription.names.size;
	if (names > config.maxNames) return close(state, 8, `more than ${config.maxNames} names on one stream`);
	const next = advance(config, { ...state, types, rewarm }, atMs);
	return { state: next.state, actions: [...actions, ...next.actions] };
}

/** Keeps the set of a type whose parts are the same, so that nothing else has to look into it. */
function onConfig(state: SessionState, given: ProxyConfig, atMs: number): SessionState {
	const config = new Map(given);
	let types: Map<TypeUrl, TypeSession> | undefined;
	for (const typeUrl of new Set([...given.keys(), ...state.types.keys()])) {
		const before = state.config?.get(typeUrl);
		const after = given.get(typeUrl);
		if (before === after) continue;
		if (before && after && sameParts(before.parts, after.parts)) {
			config.set(typeUrl, before);
			continue;
		}
		const type = state.types.get(typeUrl);
		if (type) types = (types ?? new Map(state.types)).set(typeUrl, { ...type, changedAtMs: atMs });
	}
	return { ...state, config, types: types ?? state.types };
}

/** Starts the next message if the stream is free and something is due. */
function advance(config: SessionConfig, state: SessionState, atMs: number): SessionStep {
	if (!state.config || state.sendingSinceMs !== undefined) return { state, actions: [] };
	const plan = planSends(config, state.protocol, state.config, state.types, String(state.lastNonce + 1), atMs);
	const actions: SessionAction[] = [];
	let next: SessionState = plan.types === state.types ? state : { ...state, types: plan.types };
	for (const [typeUrl, type] of next.types) {
		if (type.changedAtMs === undefined || type.inFlight || !type.settled || type.rejection) continue;
		if (type.settled.set !== state.config.get(typeUrl)) continue;
		const { changedAtMs, ...rest } = type;
		const ms = atMs - changedAtMs;
		next = { ...next, types: new Map(next.types).set(typeUrl, { ...rest, convergedInMs: ms }) };
		actions.push({ type: "reportConverged", typeUrl, ms });
	}
	if (plan.response) {
		next = { ...next, sendingSinceMs: atMs, lastNonce: state.lastNonce + 1 };
		if (plan.response.typeUrl === typeUrls.cluster) next = rewarmEndpoints(next, plan.response.pieces);
		actions.push({ type: "send", response: plan.response });
	}
	return { state: next, actions };
}

/**
 * Envoy warms a cluster anew when it changes, and waits for its endpoints, which a delta server would think it has
 * (envoyproxy/envoy#13009). So endpoints follow their cluster. They have the cluster's name.
 */
function rewarmEndpoints(state: SessionState, pieces: readonly Piece[]): SessionState {
	const everything = pieces.some((piece) => piece.kind === "part");
	const names = everything ? [] : pieces.flatMap((piece) => [...resourcesOf(piece)].map(({ name }) => name));
	const endpoints = state.types.get(typeUrls.endpoints);
	if (!endpoints) {
		if (everything || state.rewarm === "all") return { ...state, rewarm: "all" };
		return { ...state, rewarm: state.rewarm.union(new Set(names)) };
	}
	const held = everything ? holdsNothing : forget(endpoints.held, names);
	if (held === endpoints.held) return state;
	return { ...state, types: new Map(state.types).set(typeUrls.endpoints, { ...endpoints, held }) };
}

function close(state: SessionState, grpcStatus: number, because: string): SessionStep {
	return { state, actions: [{ type: "close", grpcStatus, because }] };
}

// One Envoy's delta stream, carried to whichever control plane lives. Messages pass through as bytes; what the proxy asked
// for and what it confirmed is remembered, and told to the next control plane, so that a change of it costs nearly nothing.
// https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol#incremental-xds (initial_resource_versions)

import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import { hotSwitchPolicyTypeUrl } from "../hotswitch/hot-switch-policy-codec.ts";
import { trustBundleTypeUrl } from "../identity/trust-bundle.ts";
import type { Revision } from "../model/revision.ts";
import { takeHotSwitchPolicy } from "./relay-hot-switch.ts";
import {
	encodeDeltaRequest,
	type ResponseSummary,
	requestNonceField,
	responseNonceField,
	summarizeDeltaResponse,
	valueOfAny,
} from "./relay-message.ts";
import { judgeRevision } from "./relay-revision.ts";
import {
	answerTrustBundle,
	type RelayTrustBundle,
	type TrustBundleStep,
	takeTrustBundle,
} from "./relay-trust-bundle.ts";
import { type DeltaRequest, decodeDeltaRequest } from "./request.ts";
import { type TypeUrl, typeUrls } from "./resource.ts";
import { type Subscription, subscribeDelta } from "./subscription.ts";

export interface RelayConfig {
	/** Also ask for Istio's name table on behalf of the proxy. */
	readonly nameTable: boolean;
	/** Also ask for what may be done when the proxy fails, on behalf of the proxy. Default false. */
	readonly hotSwitchPolicy?: boolean;
	/** Also ask for the trust bundle on behalf of the proxy; it is confirmed when the caller says so. */
	readonly trustBundle: boolean;
	/** Report what the proxy accepts, so that it can be kept for a restart without any control plane. */
	readonly keep: boolean;
}

interface RelayType {
	readonly subscription: Subscription;
	/** Name -> version that the proxy has. `unknownVersion`: it has this or that; whoever serves next must say it anew. */
	readonly held: ReadonlyMap<string, string>;
	/** Sent to the proxy and not answered yet, by the nonce that the proxy knows. */
	readonly unanswered: ReadonlyMap<string, Unanswered>;
	/** What is kept is not what the proxy has: all of it was asked for anew, and replaces what is kept. */
	readonly isAnew?: boolean;
}

interface Unanswered {
	readonly names: readonly string[];
	readonly response: ResponseSummary;
	/** What to report when it is accepted. */
	readonly kept?: AcceptedResponse;
}

/** A response that a proxy has accepted. */
export interface AcceptedResponse {
	readonly typeUrl: TypeUrl;
	/** The whole DeltaDiscoveryResponse. */
	readonly bytes: Uint8Array;
	/** The proxy had nothing of the type before: what was kept earlier is not there any more. */
	readonly isFirst: boolean;
}

/** Name -> version by type, as it is kept for a restart. */
export type KeptVersions = ReadonlyMap<TypeUrl, ReadonlyMap<string, string>>;

export interface RelayState {
	/** Undefined: nothing is compared with it. */
	readonly kept?: KeptVersions;
	/** What came last was not newer than this. Undefined: no control plane has said one. */
	readonly seen?: Revision;
	/** The node as the proxy encoded it; set by its first request. */
	readonly node?: Uint8Array;
	readonly types: ReadonlyMap<TypeUrl, RelayType>;
	/** Counts upstream streams: nonces of an earlier one mean nothing to the next. */
	readonly epoch: number;
	readonly isUpstreamOpen: boolean;
	/** Version of the name table by resource name. */
	readonly nameTable: ReadonlyMap<string, string>;
	/** The same of the hot-switch policy. */
	readonly hotSwitchPolicy: ReadonlyMap<string, string>;
	readonly trustBundle: RelayTrustBundle;
}

export type RelayEvent =
	| { readonly type: "downstreamMessage"; readonly bytes: Uint8Array }
	| { readonly type: "upstreamOpened" }
	| { readonly type: "upstreamMessage"; readonly bytes: Uint8Array }
	| { readonly type: "upstreamClosed" }
	/** The proxy uses this version of the trust bundle. */
	| { readonly type: "trustBundleConfirmed"; readonly version: string }
	| { readonly type: "trustBundleRefused"; readonly version: string; readonly because: string };

export type RelayAction =
	/** The first request came: find a control plane. */
	| { readonly type: "connectUpstream"; readonly node: Uint8Array }
	| { readonly type: "sendUpstream"; readonly pieces: readonly Uint8Array[] }
	| { readonly type: "sendDownstream"; readonly pieces: readonly Uint8Array[] }
	| { readonly type: "closeDownstream"; readonly grpcStatus: number; readonly because: string }
	/** The control plane talks nonsense, or its state is older than what is here: try another. */
	| { readonly type: "closeUpstream"; readonly because: string }
	/** Something newer came; nothing older is taken from now on. */
	| { readonly type: "reportRevision"; readonly seen: Revision }
	/** An encoded istio.networking.nds.v1.NameTable. */
	| { readonly type: "reportNameTable"; readonly bytes: Uint8Array }
	| { readonly type: "reportHotSwitchPolicy"; readonly policy: HotSwitchPolicy }
	| { readonly type: "reportAccepted"; readonly accepted: AcceptedResponse }
	/** An encoded TrustBundle, to be answered by `trustBundleConfirmed` or `trustBundleRefused`, however late. */
	| { readonly type: "reportTrustBundle"; readonly version: string; readonly bytes: Uint8Array };

export interface RelayStep {
	readonly state: RelayState;
	readonly actions: readonly RelayAction[];
}

export const unknownVersion = "?";

/** `kept`: what an earlier stream of the proxy left, to be put right where the proxy has something else. */
export function openRelaySession(kept?: KeptVersions): RelayState {
	return {
		...(kept && { kept }),
		types: new Map(),
		epoch: 0,
		isUpstreamOpen: false,
		nameTable: new Map(),
		hotSwitchPolicy: new Map(),
		trustBundle: { confirmed: new Map() },
	};
}

export function stepRelay(config: RelayConfig, state: RelayState, event: RelayEvent): RelayStep {
	switch (event.type) {
		case "downstreamMessage":
			return onRequest(state, event.bytes);
		case "upstreamOpened":
			return onUpstreamOpened(config, state);
		case "upstreamMessage":
			return onResponse(config, state, event.bytes);
		case "upstreamClosed":
			return { state: { ...state, isUpstreamOpen: false }, actions: [] };
		case "trustBundleConfirmed":
		case "trustBundleRefused": {
			const openEpoch = state.isUpstreamOpen ? state.epoch : undefined;
			const refusal = event.type === "trustBundleRefused" ? event.because : undefined;
			return withTrustBundle(state, answerTrustBundle(state.trustBundle, openEpoch, event.version, refusal));
		}
		default:
			return event satisfies never;
	}
}

/** The proxy asks for something that it has not got: it may be waiting for it to serve at all. */
export function lacksResources({ types }: RelayState): boolean {
	return [...types.values()].some(({ subscription, held }) => {
		if (subscription.wildcard && held.size === 0) return true;
		return [...subscription.names].some((name) => !held.has(name));
	});
}

function onRequest(state: RelayState, bytes: Uint8Array): RelayStep {
	const decoded = decodeDeltaRequest(bytes);
	if (!decoded.ok) return { state, actions: [{ type: "closeDownstream", grpcStatus: 3, because: decoded.because }] };
	const isFirst = state.node === undefined;
	const before = state.types.get(decoded.request.typeUrl);
	const isAnew = before === undefined && disagrees(state.kept, decoded.request);
	const request = isAnew ? withUnknownVersions(decoded.request) : decoded.request;
	const kept = request.error ? undefined : before?.unanswered.get(request.nonce)?.kept;
	const report: readonly RelayAction[] = kept ? [{ type: "reportAccepted", accepted: kept }] : [];
	if (isFirst && !request.node) {
		const because = "the first request has no node";
		return { state, actions: [{ type: "closeDownstream", grpcStatus: 3, because }] };
	}
	const node = state.node ?? request.node?.slice();
	const types = new Map(state.types).set(request.typeUrl, afterRequest(before, request, isAnew));
	const next: RelayState = { ...state, ...(node && { node }), types };
	if (isFirst && node) return { state: next, actions: [{ type: "connectUpstream", node }] };
	if (!state.isUpstreamOpen) return { state: next, actions: report };
	const pieces = forwarded(state, request, bytes);
	return { state: next, actions: pieces ? [...report, { type: "sendUpstream", pieces }] : report };
}

/** The request for the open upstream; undefined if it says nothing that concerns this one. */
function forwarded(state: RelayState, request: DeltaRequest, bytes: Uint8Array): readonly Uint8Array[] | undefined {
	const { initialVersions } = request;
	// Of entries with the same key protobuf takes the last.
	if (request.nonce === "" && initialVersions.size > 0)
		return [bytes, encodeDeltaRequest({ typeUrl: request.typeUrl, initialVersions })];
	if (request.nonce === "") return [bytes];
	const [epoch, nonce] = splitNonce(request.nonce);
	if (epoch === state.epoch) return [bytes, requestNonceField(nonce)];
	const { typeUrl, subscribe, unsubscribe } = request;
	if (subscribe.length === 0 && unsubscribe.length === 0) return undefined;
	return [encodeDeltaRequest({ typeUrl, subscribe, unsubscribe })];
}

/** A write of what was kept was lost, or a file of it was set aside, while the proxy ran on. */
function disagrees(kept: KeptVersions | undefined, request: DeltaRequest): boolean {
	const { typeUrl, initialVersions } = request;
	if (!kept || typeUrl === typeUrls.secret || initialVersions.size === 0) return false;
	const versions = kept.get(typeUrl);
	if (!versions || [...initialVersions].some(([name, version]) => versions.get(name) !== version)) return true;
	// Of types that are asked for by name, more may be kept than the proxy still wants.
	return subscribeDelta(undefined, request, undefined).subscription.wildcard && versions.size > initialVersions.size;
}

function withUnknownVersions(request: DeltaRequest): DeltaRequest {
	const unknown = [...request.initialVersions.keys()].map((name) => [name, unknownVersion] as const);
	return { ...request, initialVersions: new Map(unknown) };
}

function afterRequest(before: RelayType | undefined, request: DeltaRequest, startsAnew: boolean): RelayType {
	const { subscription } = subscribeDelta(before?.subscription, request, undefined);
	let held: ReadonlyMap<string, string> = before?.held ?? request.initialVersions;
	let unanswered: RelayType["unanswered"] = before?.unanswered ?? new Map();
	const answered = unanswered.get(request.nonce);
	const isAnew = startsAnew || (before?.isAnew === true && !answered);
	if (answered) {
		const rest = new Map(unanswered);
		rest.delete(request.nonce);
		unanswered = rest;
		held = afterAnswer(held, answered.response, request.error !== undefined);
	}
	if (request.unsubscribe.length > 0 && !subscription.wildcard) {
		const kept = new Map(held);
		for (const name of request.unsubscribe) kept.delete(name);
		held = kept;
	}
	return { subscription, held, unanswered, ...(isAnew && { isAnew }) };
}

function afterAnswer(
	held: ReadonlyMap<string, string>,
	response: ResponseSummary,
	isRejected: boolean,
): ReadonlyMap<string, string> {
	const next = new Map(held);
	// Of a refused response Envoy may have taken the good resources: which, it does not say.
	for (const { name, version } of response.resources) next.set(name, isRejected ? unknownVersion : version);
	for (const name of response.removed) if (!isRejected) next.delete(name);
	return next;
}

function onUpstreamOpened(config: RelayConfig, state: RelayState): RelayStep {
	const next: RelayState = { ...state, epoch: state.epoch + 1, isUpstreamOpen: true };
	const actions: RelayAction[] = [];
	let { node } = state;
	const send = (parts: Parameters<typeof encodeDeltaRequest>[0]): void => {
		actions.push({ type: "sendUpstream", pieces: [encodeDeltaRequest({ ...parts, ...(node && { node }) })] });
		node = undefined;
	};
	for (const [typeUrl, type] of state.types) {
		const { wildcard, explicit, names } = type.subscription;
		const subscribe = explicit ? [...(wildcard ? ["*"] : []), ...names] : [];
		send({ typeUrl, subscribe, initialVersions: knownVersions(type) });
	}
	if (config.nameTable && !state.types.has(typeUrls.nameTable))
		send({ typeUrl: typeUrls.nameTable, initialVersions: state.nameTable });
	if (config.hotSwitchPolicy && !state.types.has(hotSwitchPolicyTypeUrl))
		send({ typeUrl: hotSwitchPolicyTypeUrl, initialVersions: state.hotSwitchPolicy });
	if (config.trustBundle && !state.types.has(trustBundleTypeUrl))
		send({ typeUrl: trustBundleTypeUrl, initialVersions: state.trustBundle.confirmed });
	return { state: next, actions };
}

/** What is on its way to the proxy may or may not be there in a moment: the next control plane must say it again. */
function knownVersions({ held, unanswered }: RelayType): ReadonlyMap<string, string> {
	if (unanswered.size === 0) return held;
	const versions = new Map(held);
	for (const { names } of unanswered.values()) for (const name of names) versions.set(name, unknownVersion);
	return versions;
}

function onResponse(config: RelayConfig, state: RelayState, bytes: Uint8Array): RelayStep {
	let response: ResponseSummary;
	try {
		response = summarizeDeltaResponse(bytes);
	} catch (error) {
		const because = `a response is no valid protobuf: ${error instanceof Error ? error.message : error}`;
		return { state, actions: [{ type: "closeUpstream", because }] };
	}
	const verdict = judgeRevision(state.seen, response.systemVersion);
	if (verdict.type === "older") return { state, actions: [{ type: "closeUpstream", because: verdict.because }] };
	if (verdict.type === "same") return takeResponse(config, state, response, bytes);
	const { seen } = verdict;
	const taken = takeResponse(config, { ...state, seen }, response, bytes);
	return { state: taken.state, actions: [{ type: "reportRevision", seen }, ...taken.actions] };
}

function takeResponse(config: RelayConfig, state: RelayState, response: ResponseSummary, bytes: Uint8Array): RelayStep {
	const type = state.types.get(response.typeUrl);
	if (config.nameTable && !type && response.typeUrl === typeUrls.nameTable) return onNameTable(state, response);
	if (config.hotSwitchPolicy && !type && response.typeUrl === hotSwitchPolicyTypeUrl)
		return onHotSwitchPolicy(state, response);
	if (config.trustBundle && !type && response.typeUrl === trustBundleTypeUrl)
		return withTrustBundle(state, takeTrustBundle(state.trustBundle, state.epoch, response));
	// An answer to something the proxy never asked for would confuse it.
	if (!type) return { state, actions: [] };
	const nonce = joinNonce(state.epoch, response.nonce);
	// Until the answer comes names and versions are enough to tell what the proxy has.
	const summary: ResponseSummary = {
		...response,
		resources: response.resources.map(({ name, version }) => ({ name, version, any: noBytes })),
	};
	const names = [...response.resources.map(({ name }) => name), ...response.removed];
	const isFirst = (type.held.size === 0 || type.isAnew === true) && type.unanswered.size === 0;
	const kept = config.keep ? { kept: { typeUrl: response.typeUrl, bytes, isFirst } } : {};
	const unanswered = new Map(type.unanswered).set(nonce, { names, response: summary, ...kept });
	return {
		state: { ...state, types: new Map(state.types).set(response.typeUrl, { ...type, unanswered }) },
		actions: [{ type: "sendDownstream", pieces: [bytes, responseNonceField(nonce)] }],
	};
}

const noBytes = new Uint8Array();

function onNameTable(state: RelayState, response: ResponseSummary): RelayStep {
	const ack = encodeDeltaRequest({ typeUrl: typeUrls.nameTable, nonce: response.nonce });
	const nameTable = new Map(state.nameTable);
	for (const { name, version } of response.resources) nameTable.set(name, version);
	for (const name of response.removed) nameTable.delete(name);
	return {
		state: { ...state, nameTable },
		actions: [
			...response.resources.map(({ any }): RelayAction => ({ type: "reportNameTable", bytes: valueOfAny(any) })),
			{ type: "sendUpstream", pieces: [ack] },
		],
	};
}

function onHotSwitchPolicy(state: RelayState, response: ResponseSummary): RelayStep {
	const { versions, answer, policy } = takeHotSwitchPolicy(state.hotSwitchPolicy, response);
	return {
		state: { ...state, hotSwitchPolicy: versions },
		actions: [
			...(policy ? [{ type: "reportHotSwitchPolicy", policy } as const] : []),
			{ type: "sendUpstream", pieces: [answer] },
		],
	};
}

/** Carries out what a step of the trust bundle says. */
function withTrustBundle(state: RelayState, { trustBundle, answer, delivered }: TrustBundleStep): RelayStep {
	return {
		state: { ...state, trustBundle },
		actions: [
			...(delivered ? [{ type: "reportTrustBundle", ...delivered } as const] : []),
			...(answer ? [{ type: "sendUpstream", pieces: [answer] } as const] : []),
		],
	};
}

/** `3.17`: the 17th nonce of the third upstream stream. */
function joinNonce(epoch: number, nonce: string): string {
	return `${epoch}.${nonce}`;
}

function splitNonce(nonce: string): readonly [number, string] {
	const dot = nonce.indexOf(".");
	return [Number(nonce.slice(0, dot)), nonce.slice(dot + 1)];
}

// Which response goes next on a stream. Make before break: clusters, then their endpoints, then listeners and routes that
// use them, and what is gone only after listeners and routes let go of it, clusters last. Endpoints never overtake their
// clusters: Envoy takes messages of a stream in order, and a cluster says which service accounts may answer for it.

import type { Response } from "./encode-response.ts";
import { forget } from "./held.ts";
import { adoptParts, type DeltaPlan, heldAfterRemovals, type Piece, planDelta, resourcesOf } from "./plan-delta.ts";
import { type EncodedResource, type ProxyConfig, type ResourceSet, type TypeUrl, typeUrls } from "./resource.ts";
import { sotwPieces, sotwVersion } from "./sotw.ts";
import { type InFlight, ownsFullSet, type TypeSession } from "./type-session.ts";

export interface SendLimits {
	readonly ackWaitMs: number;
	readonly removalWaitMs: number;
}

export interface SendPlan {
	readonly types: ReadonlyMap<TypeUrl, TypeSession>;
	readonly response?: Response;
}

const additionOrder: readonly TypeUrl[] = [
	typeUrls.cluster,
	typeUrls.endpoints,
	typeUrls.listener,
	typeUrls.route,
	typeUrls.secret,
	typeUrls.nameTable,
];
const removalOrder: readonly TypeUrl[] = [
	typeUrls.listener,
	typeUrls.route,
	typeUrls.nameTable,
	typeUrls.secret,
	typeUrls.endpoints,
	typeUrls.cluster,
];

interface Due {
	readonly type: TypeSession;
	readonly set: ResourceSet | undefined;
	readonly plan: DeltaPlan;
	readonly hasAdditions: boolean;
}

/** At most one response: the next is planned when this one left. */
export function planSends(
	limits: SendLimits,
	protocol: "delta" | "sotw",
	config: ProxyConfig,
	before: ReadonlyMap<TypeUrl, TypeSession>,
	nonce: string,
	atMs: number,
): SendPlan {
	let types = before;
	const replace = (type: TypeSession): void => {
		types = new Map(types).set(type.typeUrl, type);
	};
	const due = new Map<TypeUrl, Due>();
	for (const type of before.values()) {
		const found = dueOf(protocol, type, config.get(type.typeUrl));
		if ("plan" in found) due.set(type.typeUrl, found);
		else if (found !== type) replace(found);
	}
	if (due.size === 0) return { types };

	const waits = (typeUrl: TypeUrl): boolean => {
		const inFlight = before.get(typeUrl)?.inFlight;
		return inFlight !== undefined && atMs - inFlight.sentAtMs < limits.ackWaitMs;
	};
	const hasAdditions = (typeUrl: TypeUrl): boolean => due.get(typeUrl)?.hasAdditions === true;
	const hasRemovals = (typeUrl: TypeUrl): boolean => (due.get(typeUrl)?.plan.removals.length ?? 0) > 0;
	const isBusy = (typeUrl: TypeUrl): boolean => hasAdditions(typeUrl) || waits(typeUrl);
	const mayAdd = (typeUrl: TypeUrl): boolean =>
		(typeUrl !== typeUrls.listener && typeUrl !== typeUrls.route) || !isBusy(typeUrls.cluster);
	const mayRemove = (type: TypeSession): boolean => {
		if (type.removalsSinceMs !== undefined && atMs - type.removalsSinceMs >= limits.removalWaitMs) return true;
		switch (type.typeUrl) {
			case typeUrls.route:
				return !isBusy(typeUrls.listener) && !hasRemovals(typeUrls.listener);
			case typeUrls.secret:
			case typeUrls.endpoints:
				return [typeUrls.listener, typeUrls.route].every((other) => !isBusy(other) && !hasRemovals(other));
			case typeUrls.cluster:
				return [typeUrls.listener, typeUrls.route, typeUrls.secret, typeUrls.endpoints].every(
					(other) => !hasRemovals(other) && (other === typeUrls.endpoints ? true : !isBusy(other)),
				);
			default:
				return true;
		}
	};

	// Holding endpoints back until clusters are confirmed would be a deadlock: Envoy confirms them when all are warm, which
	// takes endpoints. So clusters go ahead of new endpoints even while a response with clusters is not answered.
	const goesAhead = (typeUrl: TypeUrl): boolean =>
		typeUrl === typeUrls.cluster && hasAdditions(typeUrls.endpoints) && !waits(typeUrls.endpoints);
	for (const typeUrl of inOrder(additionOrder, due)) {
		const found = due.get(typeUrl);
		if (!found?.hasAdditions || !mayAdd(typeUrl) || (waits(typeUrl) && !goesAhead(typeUrl))) continue;
		// A listener's successor may want its address: it is removed in the same message.
		return send(found, typeUrl === typeUrls.listener || !ordersRemovals(typeUrl));
	}
	for (const typeUrl of inOrder(removalOrder, due)) {
		const found = due.get(typeUrl);
		if (!found || found.plan.removals.length === 0 || found.hasAdditions || waits(typeUrl)) continue;
		if (mayRemove(found.type)) return send(found, true);
		if (found.type.removalsSinceMs === undefined) replace({ ...found.type, removalsSinceMs: atMs });
	}
	return { types };

	function send({ type, set, plan }: Due, withRemovals: boolean): SendPlan {
		const { removalsSinceMs, settled: _, ...rest } = type;
		const removals = withRemovals ? plan.removals : [];
		const held = heldAfterRemovals(plan.held, removals, type.subscription);
		const lingering = withRemovals ? new Map<string, EncodedResource>() : lingeringAfter(type, plan);
		// The answer to a response that was overtaken is not waited for: what it brought is sent again, and answered now.
		const fresh =
			type.inFlight && type.typeUrl === typeUrls.cluster ? piecesAgain(type, type.inFlight, set) : plan.pieces;
		const pieces: readonly Piece[] =
			protocol === "sotw" ? sotwPieces(type, set, plan.pieces, lingering.values()) : fresh;
		const response: Response = {
			protocol,
			typeUrl: type.typeUrl,
			nonce,
			version: protocol === "sotw" ? sotwVersion(type.subscription, set) : "",
			pieces,
			removed: protocol === "sotw" ? [] : [...plan.missing, ...removals.map(({ name }) => name)],
		};
		replace({
			...rest,
			held,
			answerOwed: false,
			nonceSent: nonce,
			inFlight: { nonce, sentAtMs: atMs, held, pieces },
			lingering,
			...(!withRemovals && removalsSinceMs !== undefined && { removalsSinceMs }),
		});
		return { types, response };
	}
}

function piecesAgain(type: TypeSession, inFlight: InFlight, set: ResourceSet | undefined): readonly Piece[] {
	const names = inFlight.pieces.flatMap((piece) => [...resourcesOf(piece)].map(({ name }) => name));
	return planDelta(type.subscription, forget(type.held, names), set).pieces;
}

function dueOf(protocol: "delta" | "sotw", before: TypeSession, set: ResourceSet | undefined): Due | TypeSession {
	const { settled, subscription } = before;
	if (settled && settled.set === set && settled.subscription === subscription && settled.held === before.held)
		return before;
	const type = withPartsAdopted(before, set);
	const plan = planDelta(subscription, type.held, set);
	const isMissing = plan.missing.length > 0 && (protocol === "delta" || ownsFullSet(type.typeUrl));
	const hasAdditions = plan.pieces.length > 0 || isMissing || type.answerOwed;
	if (protocol === "sotw" && type.claimedVersion !== undefined) {
		const { claimedVersion, ...rest } = type;
		// The version is a hash of all that was asked for: equal versions, nothing to send.
		if (claimedVersion === sotwVersion(subscription, set))
			return settle({ ...rest, answerOwed: false, acked: plan.held }, set, plan.held);
		return { type: rest, set, plan, hasAdditions };
	}
	if (hasAdditions) return { type, set, plan, hasAdditions };
	if (plan.removals.length === 0) return settle(type, set, plan.held);
	// Without a word for removals, what is gone is simply no longer sent; only full sets show it.
	if (protocol === "sotw" && !ownsFullSet(type.typeUrl))
		return settle(type, set, heldAfterRemovals(plan.held, plan.removals, subscription));
	return { type, set, plan, hasAdditions: false };
}

function withPartsAdopted(type: TypeSession, set: ResourceSet | undefined): TypeSession {
	const held = adoptParts(type.subscription, type.held, set);
	if (held === type.held) return type;
	return { ...type, held, acked: type.acked === type.held ? held : type.acked };
}

function settle(type: TypeSession, set: ResourceSet | undefined, held: TypeSession["held"]): TypeSession {
	return { ...type, held, settled: { set, subscription: type.subscription, held } };
}

function ordersRemovals(typeUrl: TypeUrl): boolean {
	return (
		typeUrl === typeUrls.cluster ||
		typeUrl === typeUrls.endpoints ||
		typeUrl === typeUrls.route ||
		typeUrl === typeUrls.secret
	);
}

function lingeringAfter(type: TypeSession, plan: DeltaPlan): ReadonlyMap<string, EncodedResource> {
	const lingering = new Map<string, EncodedResource>();
	for (const { name, resource } of plan.removals) {
		const kept = resource ?? type.lingering.get(name);
		if (kept) lingering.set(name, kept);
	}
	return lingering;
}

function inOrder(order: readonly TypeUrl[], due: ReadonlyMap<TypeUrl, Due>): readonly TypeUrl[] {
	return [...order, ...[...due.keys()].filter((typeUrl) => !order.includes(typeUrl))];
}

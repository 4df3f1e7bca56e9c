// On how many of the proxies that are connected to a replica each resource is in force: what replicas tell the one that writes it
// down for all, over the port of proxies, where they know each other by their certificates.

import { parseIdentity } from "../../identity/spiffe-id.ts";
import type { ResourceFate } from "../../kubernetes/status/resource-fate.ts";
import { encodeReplicaMessage } from "../../replicas/replica-message.ts";
import { type AnyObject, keyOf, type ObjectKey } from "../../resources/config-object.ts";
import type { UnaryService } from "../../xds/wire/unary-service.ts";
import type { ReplicaAnswer } from "../control/replicas/replica-group.ts";
import type { ResourceStatuses } from "../control/resource-status.ts";

export type ProxyCounts = NonNullable<ResourceFate["proxies"]>;

export type CountsByKey = Readonly<Record<ObjectKey, ProxyCounts>>;

export const proxyCountsPath = "/keepmesh.control.v1.Replicas/ProxyCounts";

/** An answer stays small: more than these refuse for the same reason. */
const maxRejected = 100;
const maxMessageLength = 500;
const permissionDenied = 7;

/** Resources that concern no proxy here are left out. */
export function proxyCounts(objects: Iterable<AnyObject>, statuses: Pick<ResourceStatuses, "statusOf">): CountsByKey {
	const counts: Record<ObjectKey, ProxyCounts> = {};
	for (const object of objects) {
		const { proxies } = statuses.statusOf(object);
		if (!proxies || (proxies.concerned === 0 && proxies.rejected.length === 0)) continue;
		const { applied, concerned, rejected, withheld } = proxies;
		counts[keyOf(object)] = {
			concerned,
			applied,
			withheld,
			rejected: rejected.slice(0, maxRejected).map(({ message, proxy, type }, index) => ({
				proxy,
				type,
				message: index === 0 ? message.slice(0, maxMessageLength) : "",
			})),
		};
	}
	return counts;
}

/** Answers other control planes of the trust domain. */
export function proxyCountsService(
	counts: () => CountsByKey,
	rules: { readonly trustDomain: string; readonly nothingIsProved?: boolean },
): UnaryService {
	return {
		handle: ({ peer }) => {
			const caller = parseIdentity(peer.uri ?? "");
			const isControl =
				caller !== undefined &&
				"part" in caller &&
				caller.part === "control" &&
				caller.trustDomain === rules.trustDomain;
			if (isControl || rules.nothingIsProved) return { ok: true, message: encodeReplicaMessage(counts()) };
			return { ok: false, grpcStatus: permissionDenied, because: "this is for control planes of this mesh only" };
		},
	};
}

/** A replica that is too busy to answer still serves its proxies: what it said last stands for so long. */
const keptMs = 30_000;

/** What the other replicas said last. */
export class KnownCounts {
	readonly #last = new Map<string, { readonly counts: CountsByKey; readonly atMs: number }>();

	/** `answers`: of those that are in contact; the others are gone, and their proxies elsewhere. */
	of(answers: readonly ReplicaAnswer<CountsByKey>[], nowMs: number): readonly CountsByKey[] {
		const inContact = new Set(answers.map(({ address }) => address));
		for (const address of this.#last.keys()) if (!inContact.has(address)) this.#last.delete(address);
		for (const { address, answer } of answers) if (answer) this.#last.set(address, { counts: answer, atMs: nowMs });
		return [...this.#last.values()].filter(({ atMs }) => nowMs - atMs < keptMs).map(({ counts }) => counts);
	}
}

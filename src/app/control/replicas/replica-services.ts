// What other control planes may ask of this one, on its port for proxies: only a control plane of the same trust domain may.

import { parseIdentity } from "../../../identity/spiffe-id.ts";
import {
	decodeReplicaMessage,
	encodeReplicaMessage,
	type ReplicaEntries,
	type ReplicaHello,
	type ReplicaWrite,
	type ReplicaWriteAnswer,
	replicaPaths,
} from "../../../replicas/replica-message.ts";
import type { Peer } from "../../../xds/wire/config-source.ts";
import type { SlowUnaryService, UnaryOutcome } from "../../../xds/wire/unary-service.ts";
import type { ReplicaGroup } from "./replica-group.ts";

export interface ReplicaServiceRules {
	readonly trustDomain: string;
	/** Plaintext, for tests: everybody is believed. */
	readonly nothingIsProved?: boolean;
}

const permissionDenied = 7;
const invalidArgument = 3;

export function replicaServices(
	group: ReplicaGroup,
	write: (write: ReplicaWrite) => Promise<ReplicaWriteAnswer>,
	rules: ReplicaServiceRules,
): ReadonlyMap<string, SlowUnaryService> {
	const refusal = (peer: Peer): UnaryOutcome | undefined => {
		const caller = parseIdentity(peer.uri ?? "");
		const isControl =
			caller !== undefined && "part" in caller && caller.part === "control" && caller.trustDomain === rules.trustDomain;
		if (isControl || rules.nothingIsProved) return undefined;
		return { ok: false, grpcStatus: permissionDenied, because: "this is for control planes of this mesh only" };
	};
	const service = <Message extends object>(answer: (message: Message) => Promise<object>): SlowUnaryService => ({
		answer: async ({ message, peer }) => {
			const refused = refusal(peer);
			if (refused) return refused;
			const read = decodeReplicaMessage<Message>(message);
			if (!read) return { ok: false, grpcStatus: invalidArgument, because: "the message is no JSON object" };
			return { ok: true, message: encodeReplicaMessage(await answer(read)) };
		},
		maxRequestBytes: 64 * 1024 * 1024,
	});
	return new Map<string, SlowUnaryService>([
		[
			replicaPaths.hello,
			service<ReplicaHello>(async (said) => {
				group.heard(said);
				return group.hello();
			}),
		],
		[
			replicaPaths.take,
			service<ReplicaEntries>(async (entries) => {
				await group.log.take(entries);
				return group.hello();
			}),
		],
		[
			replicaPaths.state,
			service<{ readonly keys?: readonly string[] }>(async ({ keys }) =>
				group.log.entries(Array.isArray(keys) ? keys.filter((key) => typeof key === "string") : undefined),
			),
		],
		[replicaPaths.write, service<ReplicaWrite>(write)],
	]);
}

// The node's own stream through its relay, as if it were a proxy: so the node hears of other roots, and confirms them, also
// while it has no pod; and it gets what is for the machine itself.

import { create, toBinary } from "@bufbuild/protobuf";
import { NodeSchema } from "../envoy/gen/envoy/config/core/v3/base_pb.ts";
import type { Cancel, Clock } from "../runtime/clock.ts";
import { encodeDeltaRequest, type ResponseSummary, summarizeDeltaResponse } from "../xds/relay-message.ts";
import { typeUrls } from "../xds/resource.ts";
import { type AdsStream, openAdsStream } from "../xds/wire/xds-client.ts";

/** All resources of one type. */
export interface OwnSubscription {
	readonly typeUrl: string;
	/** Name -> version of what the node has. */
	versions(): ReadonlyMap<string, string>;
	/** Why the response is refused; undefined: it is taken. */
	take(response: ResponseSummary): string | undefined;
}

const againMs = 1_000;
const invalidArgument = 3;

/** Opens it again whenever it ends, until it is cancelled. Trust bundles that come for it, the relay hands over. */
export function keepOwnStream(
	relaySocket: string,
	id: string,
	subscriptions: readonly OwnSubscription[],
	clock: Clock,
): Cancel {
	let isOver = false;
	let end: Cancel = () => {};
	const open = (): void => {
		const stream: AdsStream = openAdsStream(
			{ to: { socketPath: relaySocket } },
			{
				message: (bytes) => answer(stream, bytes),
				closed: () => {
					if (!isOver) end = clock.after(againMs, open);
				},
			},
		);
		end = () => stream.close();
		const node = toBinary(NodeSchema, create(NodeSchema, { id, userAgentName: "keepmesh" }));
		// The relay begins with the first request, whatever it asks for; there are no clusters for a node.
		const [first, ...others] = subscriptions;
		if (!first) stream.send(encodeDeltaRequest({ node, typeUrl: typeUrls.cluster }));
		else stream.send(encodeDeltaRequest({ node, typeUrl: first.typeUrl, initialVersions: first.versions() }));
		for (const other of others)
			stream.send(encodeDeltaRequest({ typeUrl: other.typeUrl, initialVersions: other.versions() }));
	};
	const answer = (stream: AdsStream, bytes: Uint8Array): void => {
		const response = summarizeDeltaResponse(bytes);
		const { typeUrl, nonce } = response;
		const message = subscriptions.find((one) => one.typeUrl === typeUrl)?.take(response);
		const error = message === undefined ? {} : { error: { code: invalidArgument, message } };
		stream.send(encodeDeltaRequest({ typeUrl, nonce, ...error }));
	};
	open();
	return () => {
		isOver = true;
		end();
	};
}

// The node's own stream through its relay, as if it were a proxy: so the node hears of other roots, and confirms them, also
// while it has no pod.

import { create, toBinary } from "@bufbuild/protobuf";
import { NodeSchema } from "../../envoy/gen/envoy/config/core/v3/base_pb.ts";
import { DeltaDiscoveryRequestSchema } from "../../envoy/gen/envoy/service/discovery/v3/discovery_pb.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import { typeUrls } from "../../xds/resource.ts";
import { openAdsStream } from "../../xds/wire/xds-client.ts";

const againMs = 1_000;

/** Opens it again whenever it ends, until it is cancelled. What comes for it, the relay hands over. */
export function keepOwnStream(relaySocket: string, id: string, clock: Clock): Cancel {
	let isOver = false;
	let end: Cancel = () => {};
	const open = (): void => {
		const stream = openAdsStream(
			{ to: { socketPath: relaySocket } },
			{
				message: () => {},
				closed: () => {
					if (!isOver) end = clock.after(againMs, open);
				},
			},
		);
		end = () => stream.close();
		const node = create(NodeSchema, { id, userAgentName: "keepmesh" });
		// The relay begins with the first request, whatever it asks for; there are no clusters for a node.
		const request = create(DeltaDiscoveryRequestSchema, { node, typeUrl: typeUrls.cluster });
		stream.send(toBinary(DeltaDiscoveryRequestSchema, request));
	};
	open();
	return () => {
		isOver = true;
		end();
	};
}

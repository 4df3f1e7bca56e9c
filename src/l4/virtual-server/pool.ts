// Who of a virtual server's real servers takes connections, and how many: state in, destinations out, as keepalived would have them
// in the kernel.

import type { VirtualServer } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { Forwarding } from "../balancer.ts";
import { serverIdsOf, type VirtualServerState, weightOf } from "./virtual-server-state.ts";

export interface Destination {
	readonly address: string;
	/** Absent: the virtual server's. */
	readonly port?: number;
	/** 0: only connections that are there. */
	readonly weight: number;
	readonly forwarding: Forwarding;
	readonly upperThreshold?: number;
	readonly lowerThreshold?: number;
	readonly isSorry: boolean;
}

export function poolOf(config: VirtualServer, state: VirtualServerState): readonly Destination[] {
	const ids = serverIdsOf(config);
	const pool: Destination[] = config.realServers.flatMap((server, index) => {
		const known = state.servers.get(ids[index] ?? "");
		if (!known) return [];
		const takesPart = known.alive && !state.sorryInUse;
		if (!takesPart && !server.inhibitsOnFailure) return [];
		const { address, port, forwarding, upperThreshold, lowerThreshold } = server;
		return [
			{
				address,
				...(port === undefined ? {} : { port }),
				weight: takesPart ? weightOf(server, known) : 0,
				forwarding,
				...(upperThreshold === undefined ? {} : { upperThreshold }),
				...(lowerThreshold === undefined ? {} : { lowerThreshold }),
				isSorry: false,
			},
		];
	});
	const { sorryServer: sorry } = config;
	if (!sorry || !(state.sorryInUse || sorry.inhibits)) return pool;
	const { address, port, forwarding } = sorry;
	const weight = state.sorryInUse ? 1 : 0;
	const same = pool.findIndex((one) => one.address === address && one.port === port);
	// A real server may be the sorry server as well: the kernel knows a destination once.
	if (same >= 0)
		return state.sorryInUse ? pool.map((one, at) => (at === same ? { ...one, weight: 1, isSorry: true } : one)) : pool;
	return [...pool, { address, ...(port === undefined ? {} : { port }), weight, forwarding, isSorry: true }];
}

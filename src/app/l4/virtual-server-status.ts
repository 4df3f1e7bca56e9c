// What is known of a virtual server, for people and programs: its real servers with their weights, what each check said last, the
// quorum. In: configuration and state. Out: plain JSON.

import type { CheckState } from "../../l4/virtual-server/check-machine.ts";
import { poolOf } from "../../l4/virtual-server/pool.ts";
import { checkIdsOf, serverIdsOf, type VirtualServerState } from "../../l4/virtual-server/virtual-server-state.ts";
import type { RealServer, VirtualServer } from "../../vip/keepalived-conf/virtual-servers.ts";

export interface VirtualServerStatus {
	readonly virtualServer: string;
	readonly scheduler: string;
	readonly quorum: { readonly up: boolean; readonly wanted: number; readonly weight: number };
	readonly sorryServer?: { readonly address: string; readonly inUse: boolean };
	/** Checks rest: the address is elsewhere. */
	readonly suspended: boolean;
	readonly realServers: readonly RealServerStatus[];
}

export interface RealServerStatus {
	readonly address: string;
	readonly port?: number;
	readonly method: "NAT" | "DR" | "TUN";
	readonly alive: boolean;
	/** What the kernel has; undefined: it is not there. */
	readonly weight?: number;
	readonly checks: readonly {
		readonly type: string;
		readonly ok: boolean;
		readonly because: string;
		readonly failures: number;
		/** Since the last answer. */
		readonly agoMs?: number;
	}[];
}

export function virtualServerStatus(
	id: string,
	config: VirtualServer,
	state: VirtualServerState,
	agoMs: (checkKey: string) => number | undefined,
): VirtualServerStatus {
	const pool = poolOf(config, state);
	const ids = serverIdsOf(config);
	const weightIn = ({ address, port }: { readonly address: string; readonly port?: number }): number | undefined =>
		pool.find((one) => one.address === address && one.port === port)?.weight;
	const { sorryServer: sorry } = config;
	const realServers = config.realServers.map((server, index): RealServerStatus => {
		const serverId = ids[index] ?? "";
		const known = state.servers.get(serverId);
		const weight = weightIn(server);
		return {
			address: server.address,
			...(server.port === undefined ? {} : { port: server.port }),
			method: server.forwarding.method,
			alive: known?.alive === true,
			...(weight === undefined ? {} : { weight }),
			checks: checksOf(server, serverId, known?.checks ?? new Map(), agoMs),
		};
	});
	const weight = realServers.reduce((sum, server) => sum + (server.alive ? (server.weight ?? 0) : 0), 0);
	return {
		virtualServer: id,
		scheduler: config.scheduler,
		quorum: { up: state.quorumUp, wanted: config.quorum, weight },
		...(sorry ? { sorryServer: { address: sorry.address, inUse: state.sorryInUse } } : {}),
		suspended: state.suspended,
		realServers,
	};
}

function checksOf(
	server: RealServer,
	serverId: string,
	states: ReadonlyMap<string, CheckState>,
	agoMs: (checkKey: string) => number | undefined,
): RealServerStatus["checks"] {
	const ids = checkIdsOf(server);
	return server.checks.flatMap((check, at) => {
		const checkId = ids[at] ?? "";
		const known = states.get(checkId);
		if (!known) return [];
		const ago = agoMs(`${serverId} ${checkId}`);
		return [
			{
				type: check.type === "http" && check.tls ? "https" : check.type,
				ok: known.isUp,
				because: known.because,
				failures: known.failures,
				...(ago === undefined ? {} : { agoMs: Math.round(ago) }),
			},
		];
	});
}

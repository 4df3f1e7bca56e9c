// What a virtual server knows: its real servers, their checks, the quorum. In: a configuration. Out: the state it starts with, and
// names of servers and checks that stay the same over a reload.

import type { RealServer, RealServerCheck, VirtualServer } from "../../vip/keepalived-conf/virtual-servers.ts";
import { type CheckState, checkIdentity } from "./check-machine.ts";

export interface VirtualServerState {
	/** By `serverIdsOf`, in the order of the configuration. */
	readonly servers: ReadonlyMap<string, RealServerState>;
	readonly quorumUp: boolean;
	readonly sorryInUse: boolean;
	/** Checks rest while the address is elsewhere (`ha_suspend`). */
	readonly suspended: boolean;
}

export interface RealServerState {
	readonly alive: boolean;
	/** By `checkIdsOf`. */
	readonly checks: ReadonlyMap<string, CheckState>;
}

export const nothingKnown: VirtualServerState = {
	servers: new Map(),
	quorumUp: false,
	sorryInUse: false,
	suspended: false,
};

/** `virtual_server 10.0.0.1 80 TCP`: what a reload knows it by. */
export function virtualServerId({ target, protocol }: VirtualServer): string {
	switch (target.type) {
		case "address":
			return `virtual_server ${target.address}${target.port === undefined ? "" : ` ${target.port}`} ${protocol}`;
		case "mark":
			return `virtual_server fwmark ${target.mark}`;
		case "group":
			return `virtual_server group ${target.group} ${protocol}`;
		default:
			return target satisfies never;
	}
}

/** `[10.0.0.5]:80` of each real server; the second of the same address has #2 behind it. */
export function serverIdsOf(config: VirtualServer): readonly string[] {
	return distinct(config.realServers.map(({ address, port }) => `[${address}]:${port ?? 0}`));
}

export function checkIdsOf(server: RealServer): readonly string[] {
	return distinct(server.checks.map(checkIdentity));
}

export interface CheckOf {
	readonly server: RealServer;
	readonly check: RealServerCheck;
}

/** The check of that name; undefined when a reload has taken it out. */
export function findCheck(config: VirtualServer, serverId: string, checkId: string): CheckOf | undefined {
	const server = config.realServers[serverIdsOf(config).indexOf(serverId)];
	const check = server?.checks[checkIdsOf(server).indexOf(checkId)];
	return server && check ? { server, check } : undefined;
}

/** What the kernel would be told: configured, changed by scripts and files, never below 0. */
export function weightOf(server: RealServer, state: RealServerState): number {
	let weight = server.weight;
	for (const { adjustment } of state.checks.values()) weight += adjustment;
	return Math.min(Math.max(weight, 0), 2 ** 31 - 1);
}

function distinct(names: readonly string[]): readonly string[] {
	const seen = new Map<string, number>();
	return names.map((name) => {
		const count = (seen.get(name) ?? 0) + 1;
		seen.set(name, count);
		return count === 1 ? name : `${name}#${count}`;
	});
}

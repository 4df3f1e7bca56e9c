// IPVS as text: the lines that `ipvsadm -Sn` would write, and the routes as `ip` takes them. In: values. Out: lines that an operator can
// read and restore.

import type { IpvsPlan } from "./ipvs-plan.ts";
import type { LocalRoute } from "./local-route-plan.ts";
import {
	type Destination,
	destinationName,
	hostAndPort,
	type IpvsChange,
	type VirtualServer,
	type VirtualServerKey,
} from "./virtual-server.ts";

export function renderServer(server: VirtualServer): string {
	return `-A ${definition(server)}`;
}

export function renderDestination(key: VirtualServerKey, destination: Destination): string {
	return `-a ${where(key, false)} -r ${hostAndPort(destination.address, destination.port)} ${methodOf(destination)}`;
}

export function renderChange(change: IpvsChange): string {
	switch (change.type) {
		case "addServer":
			return renderServer(change.server);
		case "editServer":
			return `-E ${definition(change.server)}`;
		case "deleteServer":
			return `-D ${where(change.key)}`;
		case "addDestination":
			return renderDestination(change.key, change.destination);
		case "editDestination":
			return renderDestination(change.key, change.destination).replace("-a", "-e");
		case "deleteDestination":
			return `-d ${where(change.key, false)} -r ${destinationName(change)}`;
		default:
			return change satisfies never;
	}
}

export function renderLocalRoute({ address, source }: LocalRoute): string {
	return `local ${address} dev lo${source === undefined ? "" : ` src ${source}`}`;
}

/** All virtual servers and routes of a plan; `renderTables(plan.ruleset())` prints the rest. */
export function renderPlan(plan: IpvsPlan): string {
	const servers = plan
		.wantedServers()
		.flatMap(({ server, destinations }) => [
			renderServer(server),
			...[...destinations.values()].map((destination) => renderDestination(server.key, destination)),
		]);
	return [...servers, ...plan.wantedRoutes().map(renderLocalRoute)].map((line) => `${line}\n`).join("");
}

function definition(server: VirtualServer): string {
	const { key, persistence, scheduler } = server;
	const mask = persistence?.prefixLength;
	const parts = [where(key), `-s ${scheduler}`];
	if (persistence) parts.push(`-p ${persistence.timeoutSec}`);
	if (mask !== undefined) parts.push(`-M ${key.family === "ipv4" ? dotted(mask) : mask}`);
	if (server.persistenceEngine !== undefined) parts.push(`--pe ${server.persistenceEngine}`);
	if (server.onePacket) parts.push("-o");
	const flags = server.schedulerFlags ?? [];
	if (flags.length > 0) parts.push(`-b ${flags.map((flag) => flagName(scheduler, flag)).join(",")}`);
	return parts.join(" ");
}

function where(key: VirtualServerKey, withFamily = true): string {
	if (key.type === "mark") return `-f ${key.mark}${key.family === "ipv6" && withFamily ? " -6" : ""}`;
	const option = { tcp: "-t", udp: "-u", sctp: "--sctp-service" }[key.protocol];
	return `${option} ${hostAndPort(key.address, key.port)}`;
}

function methodOf({ forwarding, lowerThreshold, upperThreshold, weight }: Destination): string {
	const method = { NAT: "-m", DR: "-g", TUN: "-i" }[forwarding.method];
	const parts = [method, `-w ${weight}`];
	if (upperThreshold !== 0) parts.push(`-x ${upperThreshold}`);
	if (lowerThreshold !== 0) parts.push(`-y ${lowerThreshold}`);
	if (forwarding.method !== "TUN") return parts.join(" ");
	parts.push(`--tun-type ${forwarding.tunnel}`);
	if (forwarding.port !== undefined) parts.push(`--tun-port ${forwarding.port}`);
	if (forwarding.checksum === "csum") parts.push("--tun-csum");
	if (forwarding.checksum === "remcsum") parts.push("--tun-remcsum");
	return parts.join(" ");
}

function flagName(scheduler: string, flag: 1 | 2 | 3): string {
	if ((scheduler === "sh" || scheduler === "mh") && flag !== 3)
		return `${scheduler}-${flag === 1 ? "fallback" : "port"}`;
	return `flag-${flag}`;
}

const dotted = (length: number): string =>
	[0, 8, 16, 24].map((shift) => 256 - 2 ** (8 - Math.min(8, Math.max(0, length - shift)))).join(".");

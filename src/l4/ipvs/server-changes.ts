// One virtual server: what it should be, what the kernel has -> changes. New destinations come before others leave; one that may finish
// its connections gets weight 0 and stays until they end, and its virtual server with it.

import type { WantedServer } from "./balancer-parts.ts";
import type { Destination, IpvsChange, VirtualServer } from "./virtual-server.ts";

export interface KnownServer {
	readonly server: VirtualServer;
	/** Made local for it. */
	readonly address?: string;
	readonly drains: boolean;
	/** By destinationName. */
	readonly destinations: ReadonlyMap<string, KnownDestination>;
}

interface KnownDestination {
	readonly destination: Destination;
	/** Has weight 0 because it is not wanted any more. */
	readonly isLeaving: boolean;
}

export interface ServerChanges {
	/** What serves more than before; to be done first. */
	readonly made: readonly IpvsChange[];
	readonly unmade: readonly IpvsChange[];
	/** By destinationName. */
	readonly left: readonly string[];
	readonly returned: readonly string[];
	/** What the kernel has then. */
	readonly known: KnownServer | undefined;
}

export function serverChanges(
	wanted: WantedServer | undefined,
	known: KnownServer | undefined,
	mayGo: (destination: string) => boolean,
): ServerChanges {
	const made: IpvsChange[] = [];
	const unmade: IpvsChange[] = [];
	const left: string[] = [];
	const returned: string[] = [];
	const server = wanted?.server ?? known?.server;
	if (!server) return { made, unmade, left, returned, known: undefined };
	const { key } = server;
	const destinations = new Map<string, KnownDestination>();
	const drains = wanted?.drains ?? known?.drains ?? false;
	if (wanted) {
		if (!known) made.push({ type: "addServer", server: wanted.server });
		else if (!isSameServer(wanted.server, known.server)) made.push({ type: "editServer", server: wanted.server });
		for (const [name, destination] of wanted.destinations) {
			const before = known?.destinations.get(name);
			if (!before) made.push({ type: "addDestination", key, destination });
			else if (!isSameDestination(before.destination, destination))
				made.push({ type: "editDestination", key, destination });
			if (before?.isLeaving) returned.push(name);
			destinations.set(name, { destination, isLeaving: false });
		}
	}
	for (const [name, { destination, isLeaving }] of known?.destinations ?? []) {
		if (wanted?.destinations.has(name)) continue;
		const { address, port } = destination;
		if (drains && !mayGo(name)) {
			const leaving = { ...destination, weight: 0 };
			if (destination.weight !== 0) unmade.push({ type: "editDestination", key, destination: leaving });
			if (!isLeaving) left.push(name);
			destinations.set(name, { destination: leaving, isLeaving: true });
		} else {
			if (isLeaving) returned.push(name);
			unmade.push({ type: "deleteDestination", key, address, port });
		}
	}
	if (!wanted && destinations.size === 0) {
		// Its destinations go with it.
		return { made, unmade: [{ type: "deleteServer", key }], left, returned, known: undefined };
	}
	const address = wanted ? wanted.address : known?.address;
	return { made, unmade, left, returned, known: { server, drains, destinations, ...(address && { address }) } };
}

export function isSameServer(one: VirtualServer, other: VirtualServer): boolean {
	return (
		one.scheduler === other.scheduler &&
		one.persistence?.timeoutSec === other.persistence?.timeoutSec &&
		one.persistence?.prefixLength === other.persistence?.prefixLength &&
		(one.onePacket ?? false) === (other.onePacket ?? false) &&
		one.persistenceEngine === other.persistenceEngine &&
		(one.schedulerFlags ?? []).join() === (other.schedulerFlags ?? []).join()
	);
}

export function isSameDestination(one: Destination | undefined, other: Destination): boolean {
	return (
		one !== undefined &&
		one.weight === other.weight &&
		one.upperThreshold === other.upperThreshold &&
		one.lowerThreshold === other.lowerThreshold &&
		forwardingText(one) === forwardingText(other)
	);
}

function forwardingText({ forwarding }: Destination): string {
	if (forwarding.method !== "TUN") return forwarding.method;
	return `TUN ${forwarding.tunnel} ${forwarding.port ?? 0} ${forwarding.checksum}`;
}

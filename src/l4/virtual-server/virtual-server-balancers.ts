// A virtual server and who takes its connections now in, what the kernel is to do out. As in LVS, nothing is masqueraded: with NAT,
// answers must come back through this node.

import type { VirtualServer, VirtualServerGroup } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { Answer, Backend, Balancer } from "../balancer.ts";
import type { Layer4Protocol } from "../layer4-service.ts";
import { canonicalAddress, familyOf } from "../services/canonical-address.ts";
import { type BalancingBackend, schedulerFor, whyNotForwarded } from "./balancing-backend.ts";
import { type FrontPort, frontsOf } from "./fronts.ts";
import type { Destination } from "./pool.ts";
import { virtualServerId } from "./virtual-server-state.ts";

export interface BalancerFacts {
	readonly groups: readonly VirtualServerGroup[];
	readonly backend: BalancingBackend;
}

const protocols: Readonly<Record<VirtualServer["protocol"], Layer4Protocol>> = { TCP: "tcp", UDP: "udp", SCTP: "sctp" };

/** One for each address of a group. What cannot be done is left out; `virtualServerProblems` names it. */
export function balancersOf(
	server: VirtualServer,
	pool: readonly Destination[],
	facts: BalancerFacts,
): readonly Balancer[] {
	const made = frontsOf(server, facts.groups);
	if (!made.ok) return [];
	const { scheduler, heaviestOnly } = schedulerFor(server.scheduler, facts.backend);
	// With a mark, packets of all ports come, and each keeps its own; keepalived clears ports there, but not in a group.
	const reached = server.target.type === "mark" ? pool.map((one) => ({ ...one, port: 0 })) : pool;
	const chosen = heaviestOnly ? heaviest(reached) : reached;
	const { persistence, schedulerFlags, onePacket } = server;
	const forIpvs = facts.backend === "ipvs";
	return made.fronts.flatMap((front) =>
		protocolsOf(server, front, facts.backend).map(
			(protocol): Balancer => ({
				owner: virtualServerId(server),
				front: front.front,
				protocol,
				port: front.port,
				scheduler,
				...(persistence ? { affinity: { timeoutSec: persistence.timeoutSec, ...granularityOf(persistence) } } : {}),
				...(forIpvs && schedulerFlags.length > 0 ? { schedulerFlags } : {}),
				...(forIpvs && onePacket ? { onePacket } : {}),
				outside: answerOf(chosen, front, facts),
			}),
		),
	);
}

/** A mark is of any protocol: IPVS says so with one entry, nftables with one for each. */
function protocolsOf(
	{ protocol }: VirtualServer,
	{ front }: FrontPort,
	backend: BalancingBackend,
): readonly Layer4Protocol[] {
	return front.type === "mark" && backend === "nftables" ? ["tcp", "udp", "sctp"] : [protocols[protocol]];
}

function granularityOf({ granularity, engine }: NonNullable<VirtualServer["persistence"]>) {
	return { ...(granularity === undefined ? {} : { granularity }), ...(engine === undefined ? {} : { engine }) };
}

function answerOf(pool: readonly Destination[], { front, port }: FrontPort, facts: BalancerFacts): Answer {
	const backends = pool
		.filter(
			({ address, forwarding }) =>
				whyNotForwarded(forwarding, facts.backend) === undefined &&
				(forwarding.method === "TUN" || familyOf(address) === front.family),
		)
		.map((destination) => backendOf(destination, port));
	// IPVS has nobody to ask either, and says so.
	if (backends.length === 0) return { type: "reject" };
	return { type: "balance", backends: backends.sort(inOrder), masquerade: "never" };
}

function backendOf(destination: Destination, port: number): Backend {
	const { weight, forwarding, upperThreshold, lowerThreshold } = destination;
	const address = canonicalAddress(destination.address)?.text ?? destination.address;
	return {
		address,
		port: destination.port ?? port,
		weight,
		// Else connections of this machine to itself would be masqueraded, which LVS never does.
		local: false,
		forwarding,
		...(upperThreshold === undefined ? {} : { upperThreshold }),
		...(lowerThreshold === undefined ? {} : { lowerThreshold }),
	};
}

function heaviest(pool: readonly Destination[]): readonly Destination[] {
	const most = Math.max(0, ...pool.map(({ weight }) => weight));
	const first = pool.find(({ weight }) => weight === most && weight > 0);
	return pool.map((one) => (one === first ? one : { ...one, weight: 0 }));
}

function inOrder(a: Backend, b: Backend): number {
	const [left, right] = [a, b].map(({ address }) => canonicalAddress(address)?.order ?? "");
	if (left !== right) return (left ?? "") < (right ?? "") ? -1 : 1;
	return a.port - b.port;
}

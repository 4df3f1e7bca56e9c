// One connection -> what this node's plan does with it and why: which balancer, who may answer, which source the backend sees.
// Follows the order of the rules: marks, addresses with a port, addresses with all ports, node ports; of those that claim the
// same, the first in their order.

import type { Answer, Backend, Balancer } from "../balancer.ts";
import { type Claim, compareClaims } from "../claim-order.ts";
import type { Layer4Protocol } from "../layer4-service.ts";
import type { NodeFacts } from "../node-facts.ts";
import { canonicalAddress, familyOf, rangeHolds } from "./canonical-address.ts";
import { isLocalTraffic, localTrafficOf } from "./local-traffic.ts";
import { renderBackend, renderFront } from "./render-balancers.ts";

export interface Connection {
	readonly source: string;
	readonly destination: string;
	readonly port: number;
	readonly protocol: Layer4Protocol;
	/** `pod`: of this node. `outside`: it came in over the network. */
	readonly from: "node" | "pod" | "outside";
	/** What other rules have marked its packets with. */
	readonly mark?: number;
}

export interface Trace {
	/** `untouched`: no rule is about it, so it goes where the routes lead. */
	readonly outcome: "balanced" | "dropped" | "refused" | "untouched";
	/** The one that decided. */
	readonly balancer?: Balancer;
	/** Which of its answers. */
	readonly side?: "outside" | "inside";
	/** Who may answer, each with the source that it sees; those of weight 0 get nothing new and are left out. */
	readonly backends: readonly TracedBackend[];
	/** The way through the rules, one step each, for people. */
	readonly sentences: readonly string[];
}

export interface TracedBackend {
	readonly backend: Backend;
	readonly source: "client" | "node";
}

export function traceConnection(balancers: Iterable<Balancer>, node: NodeFacts, connection: Connection): Trace {
	const asked = canonical(connection);
	if (asked === undefined) return untouched("One of the addresses is none, or they are of two families.");
	const all = [...balancers];
	const [found, ...beaten] = claimsOf(all, asked, node);
	if (found === undefined) return unknownTo(all, asked);
	const { sourceRanges } = found;
	const head = [
		`${found.owner} has ${renderFront(found)}.`,
		...beaten.map(({ owner }) => `${owner} has it too, and gets nothing: ${order}.`),
	];
	if (sourceRanges && !sourceRanges.some((range) => rangeHolds(range, asked.source)))
		return {
			outcome: "dropped",
			balancer: found,
			backends: [],
			sentences: [...head, `${asked.source} is in none of its source ranges (${sourceRanges.join(", ")}): dropped.`],
		};
	const isPod = isFromPod(asked, node);
	const side = found.inside !== undefined && (asked.from === "node" || isPod) ? "inside" : "outside";
	const answer = side === "inside" && found.inside ? found.inside : found.outside;
	const told = [...head, ...(found.inside ? [whichSide(side, asked, isPod)] : [])];
	return { balancer: found, side, ...outcomeOf(found, answer, asked, isPod, told) };
}

function canonical(connection: Connection): Connection | undefined {
	const source = canonicalAddress(connection.source);
	const destination = canonicalAddress(connection.destination);
	if (source === undefined || source.family !== destination?.family) return undefined;
	return { ...connection, source: source.text, destination: destination.text };
}

/** All that are asked at the same place, the one that answers first. */
function claimsOf(all: readonly Balancer[], asked: Connection, node: NodeFacts): readonly Balancer[] {
	const isMarked = ({ front }: Balancer): boolean => front.type === "mark" && front.mark === asked.mark;
	const isAt = ({ front }: Balancer): boolean => "address" in front && front.address === asked.destination;
	const lookups: readonly ((balancer: Balancer) => boolean)[] = [
		(one) => isMarked(one) && one.port === asked.port,
		(one) => isMarked(one) && one.port === 0,
		(one) => isAt(one) && one.port === asked.port,
		(one) => isAt(one) && one.port === 0,
		(one) => isForNodePort(one, asked, node),
	];
	const family = familyOf(asked.destination);
	const ofProtocol = all.filter(({ front, protocol }) => protocol === asked.protocol && front.family === family);
	const claims = lookups.map((isClaim) => ofProtocol.filter(isClaim)).find(({ length }) => length > 0) ?? [];
	const claimOf = (balancer: Balancer): Claim => ({ owner: serviceIn(balancer.owner), balancer });
	return claims.toSorted((a, b) => compareClaims(claimOf(a), claimOf(b)));
}

const order = "cluster addresses come before load balancers', those before external ones, then names";

const serviceIn = (owner: string): string => owner.split(":", 1)[0] ?? owner;

function isForNodePort({ front, port }: Balancer, asked: Connection, node: NodeFacts): boolean {
	return front.type === "nodePort" && port === asked.port && node.nodePortAddresses.includes(asked.destination);
}

function unknownTo(all: readonly Balancer[], asked: Connection): Trace {
	const atAddress = all.filter(({ front }) => "address" in front && front.address === asked.destination);
	const owner = atAddress.find(({ front }) => front.type === "clusterIP")?.owner;
	const ports = [...new Set(atAddress.map(({ port, protocol }) => `${port}/${protocol}`))].join(", ");
	if (owner === undefined)
		return untouched(
			atAddress.length === 0
				? `No Service has ${asked.destination}: the connection goes where the routes lead.`
				: `${asked.destination} has rules only for ${ports}: the connection goes where the routes lead.`,
		);
	return {
		outcome: "refused",
		backends: [],
		sentences: [`${asked.destination} is a cluster address with ${ports} only: other ports are refused.`],
	};
}

function untouched(sentence: string): Trace {
	return { outcome: "untouched", backends: [], sentences: [sentence] };
}

function isFromPod(asked: Connection, node: NodeFacts): boolean {
	const traffic = localTrafficOf(node, familyOf(asked.source));
	if (traffic?.type === "interface") return asked.from === "pod";
	return isLocalTraffic(traffic, asked);
}

function whichSide(side: "outside" | "inside", asked: Connection, isPod: boolean): string {
	if (side === "outside")
		return "The client is outside, so externalTrafficPolicy Local counts: only endpoints of this node.";
	const who = asked.from === "node" && !isPod ? "The node itself" : "A pod";
	return `${who} asks, so externalTrafficPolicy Local does not count: as if it came back from a load balancer.`;
}

function outcomeOf(
	balancer: Balancer,
	answer: Answer,
	asked: Connection,
	isPod: boolean,
	told: readonly string[],
): Pick<Trace, "outcome" | "backends" | "sentences"> {
	switch (answer.type) {
		case "drop":
			return {
				outcome: "dropped",
				backends: [],
				sentences: [...told, "Its endpoints are all on other nodes: dropped."],
			};
		case "reject":
			return {
				outcome: "refused",
				backends: [],
				sentences: [...told, "It has no endpoint that could answer: refused."],
			};
		case "balance": {
			const willing = answer.backends.filter(({ weight }) => weight > 0);
			const hidden = answer.masquerade === "always" || (answer.masquerade === "fromOutsideCluster" && !isPod);
			const backends = willing.map((backend): TracedBackend => {
				const isHairpin = backend.local && backend.address === asked.source;
				return { backend, source: hidden || isHairpin ? "node" : "client" };
			});
			const sentences = [...told, whoAnswers(balancer, willing), whoseSource(answer.masquerade, hidden, asked)];
			if (!hidden && backends.some(({ source }) => source === "node"))
				sentences.push(`If it comes back to ${asked.source} itself, that sees the node's address: a hairpin.`);
			return { outcome: "balanced", backends, sentences };
		}
		default:
			return answer satisfies never;
	}
}

function whoAnswers(balancer: Balancer, willing: readonly Backend[]): string {
	const list = willing.map(renderBackend).join(", ");
	const by = balancer.affinity
		? `a client that came within ${balancer.affinity.timeoutSec} s gets the same as then, others by ${balancer.scheduler}`
		: `chosen by ${balancer.scheduler}`;
	return willing.length === 1 ? `Only ${list} can answer.` : `One of ${willing.length} answers, ${by}: ${list}.`;
}

function whoseSource(masquerade: string, hidden: boolean, asked: Connection): string {
	if (!hidden) return `The backend sees ${asked.source}.`;
	return masquerade === "always"
		? "The backend sees the node's address: the answer must come back this way."
		: "The backend sees the node's address: the client is no pod of this cluster.";
}

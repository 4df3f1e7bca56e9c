// What one balancer needs of the kernel besides its share of the common chains. In: a balancer, the node, a mark for what differs inside.
// Out: virtual servers, elements, chains, addresses to be made local. Node ports come here by address.

import type { Answer, Backend, Balancer, IpFamily } from "../balancer.ts";
import type { Layer4Protocol } from "../layer4-service.ts";
import { disjointRanges } from "../nftables/address-range.ts";
import { familyOf } from "../nftables/family-words.ts";
import type { PlanProblem } from "../nftables/plan-problem.ts";
import type { NftElement, NftRule, NftSet, NftVerdict } from "../nftables/ruleset.ts";
import type { NodeFacts } from "../node-facts.ts";
import { kernelScheduler, passesOverWeightZero } from "./kernel-scheduler.ts";
import { hideChain, hideStrangersChain, refuseChain } from "./traffic-chains.ts";
import { trafficSets } from "./traffic-sets.ts";
import {
	type Destination,
	destinationName,
	type VirtualServer,
	type VirtualServerKey,
	virtualServerName,
} from "./virtual-server.ts";

export interface WantedServer {
	readonly server: VirtualServer;
	/** By destinationName. */
	readonly destinations: ReadonlyMap<string, Destination>;
	/** A leaving destination may finish its connections: TCP and SCTP, with a scheduler that can pass it over. */
	readonly drains: boolean;
	/** A route of ours makes it local. */
	readonly address?: string;
}

export interface BalancerParts {
	readonly family: IpFamily;
	/** By virtualServerName. */
	readonly servers: ReadonlyMap<string, WantedServer>;
	readonly addresses: readonly string[];
	readonly elements: readonly { readonly set: NftSet; readonly element: NftElement }[];
	readonly chains: readonly { readonly name: string; readonly rules: readonly NftRule[] }[];
	readonly problems: readonly PlanProblem[];
}

/** `takeMark` gives a number that no other front has; asked only where inside and outside differ. */
export function balancerParts(balancer: Balancer, node: NodeFacts, takeMark: () => number): BalancerParts {
	return new PartsOf(balancer, node, takeMark).all();
}

class PartsOf {
	readonly #balancer: Balancer;
	readonly #node: NodeFacts;
	readonly #takeMark: () => number;
	readonly #servers = new Map<string, WantedServer>();
	readonly #elements: { set: NftSet; element: NftElement }[] = [];
	readonly #chains: { name: string; rules: readonly NftRule[] }[] = [];
	readonly #addresses: string[] = [];
	readonly #messages = new Set<string>();

	constructor(balancer: Balancer, node: NodeFacts, takeMark: () => number) {
		this.#balancer = balancer;
		this.#node = node;
		this.#takeMark = takeMark;
	}

	all(): BalancerParts {
		const { front, port, owner, protocol } = this.#balancer;
		const { family } = front;
		if (front.type === "mark") this.#server({ family, type: "mark", mark: front.mark }, this.#balancer.outside);
		else if (front.type === "nodePort") throw new Error(`${owner}: node ports are planned by address`);
		else this.#address(front.address, front.type !== "virtualServer");
		if (front.type === "mark" || port === 0) {
			const { outside, inside, sourceRanges } = this.#balancer;
			if (
				inside !== undefined ||
				sourceRanges !== undefined ||
				(outside.type === "balance" && outside.masquerade !== "never")
			)
				this.#messages.add(`without an address and a port, IPVS serves ${protocol} connections from everywhere alike`);
		}
		return {
			family,
			servers: this.#servers,
			addresses: this.#addresses,
			elements: this.#elements,
			chains: this.#chains,
			problems: [...this.#messages].map((message) => ({ owner, message })),
		};
	}

	#address(address: string, madeLocal: boolean): void {
		const { front, port, protocol, outside, inside } = this.#balancer;
		const sets = trafficSets(front.family);
		const isOwn = this.#ownAddresses().includes(address);
		const local = madeLocal && !isOwn ? address : undefined;
		const key = { family: front.family, type: "address", protocol, address, port } as const;
		if (local !== undefined) {
			this.#addresses.push(local);
			if (port !== 0) this.#element(sets.addresses, [local]);
		}
		if (port === 0) this.#server(key, outside, local);
		if (port === 0) return;
		if (outside.type === "balance") this.#server(key, outside, local);
		this.#element(sets.fronts, [address, protocol, port], verdictOf(outside));
		this.#limit(address);
		if (inside === undefined) return;
		this.#element(sets.inside, [address, protocol, port], this.#insideVerdict(inside));
	}

	#insideVerdict(inside: Answer): NftVerdict {
		if (inside.type !== "balance") return verdictOf(inside);
		const bit = 2 ** this.#node.masqueradeBit;
		const number = this.#takeMark();
		// The number stays clear of the bit, and IPVS compares the whole mark.
		const own = this.#node.masqueradeBit < 16 ? number * 0x10000 : number;
		const marked = (masquerade: boolean) => (own | (masquerade ? bit : 0)) >>> 0;
		const { family } = this.#balancer.front;
		const chain = `inside-${number}`;
		const accept: NftRule = { statements: [{ type: "verdict", verdict: { type: "accept" } }] };
		const set = (mark: number): NftRule => ({ statements: [{ type: "setMarkBit", mask: mark }] });
		const marks = inside.masquerade === "fromOutsideCluster" ? [true, false] : [inside.masquerade === "always"];
		for (const masquerade of marks) this.#server({ family, type: "mark", mark: marked(masquerade) }, inside);
		if (inside.masquerade === "fromOutsideCluster")
			this.#chains.push({
				name: chain,
				rules: [
					set(marked(false)),
					{ statements: [{ type: "verdict", verdict: { type: "goto", chain: hideStrangersChain } }] },
				],
			});
		else this.#chains.push({ name: chain, rules: [set(marked(inside.masquerade === "always")), accept] });
		return { type: "goto", chain };
	}

	#server(key: VirtualServerKey, answer: Answer, address?: string): void {
		const { affinity, front, onePacket, protocol, scheduler, schedulerFlags } = this.#balancer;
		// A virtual_server says all by itself; what a Service does not say, is chosen.
		const isVirtualServer = front.type === "virtualServer" || front.type === "mark";
		const kernel = isVirtualServer
			? { scheduler: kernelScheduler(scheduler).scheduler, ...flagsOf(schedulerFlags ?? []) }
			: kernelScheduler(scheduler);
		const destinations = new Map<string, Destination>();
		for (const backend of answer.type === "balance" ? answer.backends : []) {
			const destination = destinationOf(backend);
			destinations.set(destinationName(destination), destination);
			if (backend.local && backend.forwarding.method === "NAT") {
				const { hairpin } = trafficSets(key.family);
				this.#element(hairpin, [backend.address, backend.address]);
			}
		}
		this.#servers.set(virtualServerName(key), {
			server: {
				key,
				...kernel,
				...(affinity && { persistence: { timeoutSec: affinity.timeoutSec, ...prefixOf(affinity.granularity) } }),
				...(onePacket && { onePacket }),
				...(affinity?.engine !== undefined && { persistenceEngine: affinity.engine }),
			},
			destinations,
			drains: drains(protocol) && passesOverWeightZero(kernel.scheduler),
			...(address !== undefined && { address }),
		});
	}

	#limit(address: string): void {
		const { front, protocol, port, sourceRanges } = this.#balancer;
		if (sourceRanges === undefined) return;
		const { limited, sources } = trafficSets(front.family);
		this.#element(limited, [address, protocol, port]);
		const own = sourceRanges.filter((range) => familyOf(range) === front.family);
		for (const range of disjointRanges(own)) this.#element(sources, [address, protocol, port, range]);
	}

	#element(set: NftSet, key: NftElement["key"], data?: NftVerdict): void {
		this.#elements.push({ set, element: data ? { key, data } : { key } });
	}

	#ownAddresses(): readonly string[] {
		return [...(this.#node.nodeAddresses ?? []), ...this.#node.nodePortAddresses];
	}
}

function flagsOf(names: readonly string[]): { readonly schedulerFlags?: readonly (1 | 2 | 3)[] } {
	const flags = ([1, 2, 3] as const).filter((flag) => names.some((name) => flagNumber(name) === flag));
	return flags.length > 0 ? { schedulerFlags: flags } : {};
}

function flagNumber(name: string): number {
	if (name.endsWith("-fallback")) return 1;
	return name.endsWith("-port") ? 2 : Number(name.slice("flag-".length));
}

/** A netmask of IPv4, or a length. */
function prefixOf(granularity: string | undefined): { readonly prefixLength?: number } {
	if (granularity === undefined) return {};
	if (!granularity.includes(".")) return { prefixLength: Number(granularity) };
	const bits = granularity.split(".").map((part) => Number(part).toString(2).padStart(8, "0"));
	const prefixLength = bits.join("").replace(/0*$/, "").length;
	return prefixLength === 32 ? {} : { prefixLength };
}

const drains = (protocol: Layer4Protocol): boolean => protocol !== "udp";

function verdictOf(answer: Answer): NftVerdict {
	if (answer.type === "drop") return { type: "drop" };
	if (answer.type === "reject") return { type: "goto", chain: refuseChain };
	if (answer.masquerade === "never") return { type: "accept" };
	return { type: "goto", chain: answer.masquerade === "always" ? hideChain : hideStrangersChain };
}

const destinationOf = (backend: Backend): Destination => ({
	address: backend.address,
	port: backend.port,
	weight: backend.weight,
	forwarding: backend.forwarding,
	upperThreshold: backend.upperThreshold ?? 0,
	lowerThreshold: backend.lowerThreshold ?? 0,
});

// The IPVS of a node as it should be and as it was last handed out. In: balancers by owner, facts of the node, what the kernel holds.
// Out: the changes from the one to the other: virtual servers, rules beside them, routes that make addresses local. Other people's
// virtual servers are never touched: ours are those of our record, or exactly what we would have made.

import type { Balancer, IpFamily } from "../balancer.ts";
import type { NftTableChange } from "../nftables/change.ts";
import { familyOf } from "../nftables/family-words.ts";
import type { PlanProblem } from "../nftables/plan-problem.ts";
import type { NftTableContents } from "../nftables/ruleset.ts";
import { tableContents } from "../nftables/table-contents.ts";
import type { NodeFacts } from "../node-facts.ts";
import { rangeHolds } from "../services/canonical-address.ts";
import type { WantedServer } from "./balancer-parts.ts";
import { Claims } from "./claims.ts";
import type { Leaver } from "./drain-machine.ts";
import { InsideMarks } from "./inside-marks.ts";
import { type LocalRoute, LocalRoutePlan } from "./local-route-plan.ts";
import { isSameDestination, isSameServer, type KnownServer, serverChanges } from "./server-changes.ts";
import { trafficSets } from "./traffic-sets.ts";
import { TrafficTable } from "./traffic-table.ts";
import { destinationName, type IpvsChange, type VirtualServerState, virtualServerName } from "./virtual-server.ts";

/** To be done in this order: routes that leave, tables, ipvs, routes that come. So nothing arrives before it is served. */
export interface IpvsPlanChanges {
	readonly tables: readonly NftTableChange[];
	readonly ipvs: readonly IpvsChange[];
	readonly routes: { readonly remove: readonly LocalRoute[]; readonly add: readonly LocalRoute[] };
	/** Have weight 0 now and wait for their connections to end; and those that wait no longer. */
	readonly left: readonly Leaver[];
	readonly returned: readonly Leaver[];
}

export interface IpvsPlanOptions {
	/** Virtual servers there are never removed (`excludeCIDRs`). */
	readonly excludeRanges?: readonly string[];
}

/** What a start finds. */
export interface FoundInKernel {
	readonly servers: readonly VirtualServerState[];
	/** `owned()` of the run before. */
	readonly owned: ReadonlySet<string>;
	readonly routes: readonly LocalRoute[];
}

export class IpvsPlan {
	#node: NodeFacts;
	readonly #options: IpvsPlanOptions;
	readonly #owners = new Map<string, readonly Balancer[]>();
	readonly #claims = new Claims();
	readonly #marks = new InsideMarks();
	readonly #tables = new Map<IpFamily, TrafficTable>();
	readonly #routes = new LocalRoutePlan();
	/** What the kernel has of ours. */
	readonly #known = new Map<string, KnownServer>();
	/** What it has of others. */
	readonly #foreign = new Map<string, VirtualServerState>();
	readonly #touched = new Set<string>();
	/** Waited for until now, and free to go. */
	readonly #drained = new Set<string>();

	constructor(node: NodeFacts, options: IpvsPlanOptions = {}) {
		this.#node = node;
		this.#options = options;
		for (const family of node.families) this.#tables.set(family, new TrafficTable(family));
	}

	/** All balancers of one owner, in place of those it had. */
	set(owner: string, balancers: readonly Balancer[]): void {
		if (this.#owners.get(owner) === balancers) return;
		if (balancers.length > 0) this.#owners.set(owner, balancers);
		else this.#owners.delete(owner);
		const own = balancers
			.filter(({ front }) => this.#tables.has(front.family))
			.flatMap((balancer) => atEachAddress(balancer, this.#node));
		const { came, went } = this.#claims.set(owner, own, this.#node, this.#marks);
		for (const parts of came) this.#tables.get(parts.family)?.use(parts);
		for (const parts of went) this.#tables.get(parts.family)?.leave(parts);
		for (const { servers, addresses } of [...came, ...went]) {
			for (const name of servers.keys()) this.#touched.add(name);
			for (const address of addresses) this.#routes.touch(address);
		}
		for (const { addresses } of came) for (const address of addresses) this.#routes.use(address);
		for (const { addresses } of went) for (const address of addresses) this.#routes.leave(address);
	}

	remove(owner: string): void {
		this.set(owner, []);
	}

	/** All is planned anew for the node as it is now. */
	setNode(node: NodeFacts): void {
		const owners = [...this.#owners];
		for (const [owner] of owners) this.remove(owner);
		for (const family of node.families)
			if (!this.#tables.has(family)) this.#tables.set(family, new TrafficTable(family));
		this.#node = node;
		for (const [owner, balancers] of owners) this.set(owner, balancers);
	}

	/** Before the first changes, and again whenever the kernel may differ from what it was told: the next changes bring it back. */
	adopt({ servers, owned, routes }: FoundInKernel): void {
		const ours = new Set([...owned, ...this.#known.keys()]);
		const before = new Map(this.#known);
		this.#known.clear();
		this.#foreign.clear();
		for (const state of servers) {
			const name = virtualServerName(state.server.key);
			if (!ours.has(name) || this.#isExcluded(state)) this.#foreign.set(name, state);
			else this.#known.set(name, knownServer(state, before.get(name), routes));
		}
		for (const name of [...this.#known.keys(), ...before.keys(), ...this.#claims.names()]) this.#touched.add(name);
		this.#marks.avoid(
			[...this.#foreign.values()].flatMap(({ server: { key } }) => (key.type === "mark" ? [key.mark] : [])),
		);
		this.#routes.found(routes);
	}

	/** The tables beside IPVS are not as they were told: the next changes build them anew. */
	forgetTables(): void {
		for (const table of this.#tables.values()) table.forget();
	}

	/** Their connections have ended: the next changes remove them. */
	drained(leavers: readonly Leaver[]): void {
		for (const leaver of leavers) {
			const known = this.#known.get(leaver.server)?.destinations.get(leaver.destination);
			if (!known?.isLeaving) continue;
			this.#drained.add(`${leaver.server} ${leaver.destination}`);
			this.#touched.add(leaver.server);
		}
	}

	/** Since the last call; the first one builds all. */
	takeChanges(): IpvsPlanChanges {
		const tables: NftTableChange[] = [];
		for (const [family, table] of this.#tables)
			for (const change of table.takeChanges(this.#node)) tables.push({ table: trafficSets(family).table, change });
		const made: IpvsChange[] = [];
		const unmade: IpvsChange[] = [];
		const left: Leaver[] = [];
		const returned: Leaver[] = [];
		for (const name of this.#touched) {
			const wanted = this.#claims.server(name);
			const found = this.#foreign.get(name);
			if (found && wanted && !this.#takeOver(name, wanted, found)) continue;
			const changes = serverChanges(wanted, this.#known.get(name), (destination) =>
				this.#drained.has(`${name} ${destination}`),
			);
			made.push(...changes.made);
			unmade.push(...changes.unmade);
			left.push(...changes.left.map((destination) => ({ server: name, destination })));
			returned.push(...changes.returned.map((destination) => ({ server: name, destination })));
			if (changes.known) this.#known.set(name, changes.known);
			else this.#known.delete(name);
			// Its last connections still come in by the address.
			if (changes.known?.address !== undefined) this.#routes.keep(name, changes.known.address);
			else this.#routes.letGo(name);
		}
		this.#touched.clear();
		this.#drained.clear();
		return { tables, ipvs: [...made, ...unmade], routes: this.#routes.take(this.#node), left, returned };
	}

	/** The names of virtual servers that are ours now, for the record. */
	owned(): readonly string[] {
		return [...this.#known.keys()].sort();
	}

	/** Virtual servers that are wanted, as they should be, sorted by name. */
	wantedServers(): readonly WantedServer[] {
		return this.#claims
			.names()
			.sort()
			.flatMap((name) => this.#claims.server(name) ?? []);
	}

	wantedRoutes(): readonly LocalRoute[] {
		return this.#routes.wanted(this.#node);
	}

	/** The tables beside IPVS as they are after the next changes. */
	ruleset(): readonly NftTableContents[] {
		return [...this.#tables].map(([family, table]) =>
			tableContents(trafficSets(family).table, table.contents(this.#node)),
		);
	}

	/** What of the balancers is not done, or not as asked. */
	problems(): readonly PlanProblem[] {
		const problems = [...this.#claims.problems()];
		for (const [name, { server }] of this.#foreign) {
			const owner = this.#claims.ownerOf(name);
			if (owner === undefined) continue;
			const message = `${virtualServerName(server.key)} is another program's virtual server; it is left as it is`;
			problems.push({ owner, message });
		}
		return problems;
	}

	/** Somebody made just what is wanted: a run of ours whose record was lost. */
	#takeOver(name: string, wanted: WantedServer, found: VirtualServerState): boolean {
		const isSame =
			isSameServer(wanted.server, found.server) &&
			wanted.destinations.size === found.destinations.length &&
			found.destinations.every(({ destination }) =>
				isSameDestination(wanted.destinations.get(destinationName(destination)), destination),
			);
		if (!isSame) return false;
		this.#foreign.delete(name);
		this.#known.set(name, knownServer(found, undefined, []));
		return true;
	}

	#isExcluded({ server: { key } }: VirtualServerState): boolean {
		if (key.type === "mark") return false;
		const ranges = this.#options.excludeRanges ?? [];
		return ranges.some((range) => familyOf(range) === key.family && rangeHolds(range, key.address));
	}
}

/** A node port is a port of each of the node's addresses, which are local by themselves: a virtual server each. */
function atEachAddress(balancer: Balancer, node: NodeFacts): readonly Balancer[] {
	const { family, type } = balancer.front;
	if (type !== "nodePort") return [balancer];
	return [...new Set(node.nodePortAddresses)]
		.filter((address) => familyOf(address) === family)
		.map((address) => ({ ...balancer, front: { family, type: "externalIP", address } }));
}

function knownServer(
	{ server, destinations }: VirtualServerState,
	before: KnownServer | undefined,
	routes: readonly LocalRoute[],
): KnownServer {
	const { key } = server;
	const routed = key.type === "address" && routes.some(({ address }) => address === key.address);
	const address = before ? before.address : routed ? key.address : undefined;
	return {
		server,
		...(address !== undefined && { address }),
		drains: before?.drains ?? (key.type === "mark" || key.protocol !== "udp"),
		destinations: new Map(
			destinations.map(({ destination }) => {
				const name = destinationName(destination);
				const isLeaving = before?.destinations.get(name)?.isLeaving ?? false;
				return [name, { destination, isLeaving }];
			}),
		),
	};
}

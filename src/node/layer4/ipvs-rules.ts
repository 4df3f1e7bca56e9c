// What balancers are wanted -> IPVS in the kernel. In: balancers by owner as they change. Out: virtual servers, the rules and routes beside
// them; only what changed. What a previous run left is taken over by the record of what was ours. Leaving destinations are counted until
// their connections have ended. A failure, or a stranger's hand, is mended from what the kernel really has.

import type { Failure } from "../../kernel/host-network.ts";
import type { IpvsTable } from "../../kernel/ipvs-table.ts";
import type { LocalRoutes } from "../../kernel/local-routes.ts";
import type { NftablesTables } from "../../kernel/nftables-tables.ts";
import type { Balancer } from "../../l4/balancer.ts";
import {
	type DrainConfig,
	type DrainEvent,
	defaultDrainConfig,
	leaverName,
	noDrain,
	step,
} from "../../l4/ipvs/drain-machine.ts";
import { IpvsPlan, type IpvsPlanChanges } from "../../l4/ipvs/ipvs-plan.ts";
import { ipvsTables } from "../../l4/ipvs/traffic-sets.ts";
import { destinationName, virtualServerName } from "../../l4/ipvs/virtual-server.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { BackendRules, RulesEnd } from "./backend-rules.ts";
import type { RulesProblem } from "./layer4-status.ts";

export interface IpvsRulesDeps {
	readonly ipvs: IpvsTable;
	readonly tables: NftablesTables;
	readonly routes: LocalRoutes;
	readonly record: OwnedRecord;
	readonly clock: Clock;
	readonly log: Log;
}

export interface IpvsRulesOptions {
	/** `ipvs.excludeCIDRs`. */
	readonly excludeRanges?: readonly string[];
	readonly drain?: DrainConfig;
	/** How often the kernel is compared with what it should have. Default 30 s. */
	readonly syncPeriodMs?: number;
}

/** Names of virtual servers that are ours, where a restart finds them. */
export interface OwnedRecord {
	read(): ReadonlySet<string>;
	write(names: readonly string[]): void;
}

const firstRetryMs = 100;
const maxRetryMs = 30_000;

export class IpvsRules implements BackendRules {
	readonly #deps: IpvsRulesDeps;
	readonly #options: IpvsRulesOptions;
	readonly #plan: IpvsPlan;
	#recorded: ReadonlySet<string>;
	#isStarted = false;
	#drain = noDrain;
	#failures = 0;
	#problems: readonly RulesProblem[] = [];
	#cancelRetry: Cancel | undefined;
	#cancelCount: Cancel | undefined;
	#cancelSync: Cancel | undefined;
	#cancelWatch: Cancel | undefined;

	constructor(node: NodeFacts, deps: IpvsRulesDeps, options: IpvsRulesOptions = {}) {
		this.#deps = deps;
		this.#options = options;
		this.#plan = new IpvsPlan(node, options);
		this.#recorded = deps.record.read();
	}

	/** Undefined removes them. Takes effect with `apply`. */
	set(owner: string, balancers: readonly Balancer[] | undefined): void {
		this.#plan.set(owner, balancers ?? []);
	}

	setNode(node: NodeFacts): void {
		this.#plan.setNode(node);
	}

	/** Brings the kernel to what is wanted; false when it could not in all, then it is tried again by itself. */
	apply(): boolean {
		if (!this.#isStarted) {
			const failure = this.#lookAtKernel();
			if (failure) return this.#failed([{ about: "ipvs", because: failure.message }]);
			this.#isStarted = true;
			this.#scheduleSync();
		}
		const changes = this.#plan.takeChanges();
		this.#record("before");
		const problems = this.#write(changes);
		this.#record("after");
		this.#feedDrain(changes);
		if (problems.length > 0) return this.#failed(problems);
		this.#failures = 0;
		this.#problems = [];
		return true;
	}

	problems(): readonly RulesProblem[] {
		const planned = this.#plan.problems().map(({ owner, message }) => ({ about: owner, because: message }));
		return [...this.#problems, ...planned];
	}

	get isInForce(): boolean {
		return this.#problems.length === 0;
	}

	/** Without `keepRules`, all of ours goes: connections end with it. */
	close({ keepRules }: RulesEnd): void {
		for (const cancel of [this.#cancelRetry, this.#cancelCount, this.#cancelSync, this.#cancelWatch]) cancel?.();
		if (keepRules) return;
		const { ipvs, record, routes, tables } = this.#deps;
		routes.cleanUp();
		removeOwned(ipvs, this.#recorded);
		const present = ipvsTables.filter((table) => tables.read(table) !== undefined);
		if (present.length > 0) tables.apply(present.map((table) => ({ table, change: { type: "deleteTable" } as const })));
		record.write([]);
	}

	#lookAtKernel(): Failure | undefined {
		const read = this.#deps.ipvs.read();
		if (!read.ok) return read;
		this.#plan.adopt({ servers: read.servers, owned: this.#recorded, routes: this.#deps.routes.read() });
		return undefined;
	}

	#write({ ipvs, routes, tables }: IpvsPlanChanges): readonly RulesProblem[] {
		const problems: RulesProblem[] = [];
		for (const route of routes.remove) {
			const outcome = this.#deps.routes.remove(route);
			if (!outcome.ok) problems.push({ about: "ipvs", because: outcome.message });
		}
		if (tables.length > 0) {
			const written = this.#deps.tables.apply(tables);
			if (written.ok) this.#watch();
			else {
				this.#plan.forgetTables();
				problems.push({ about: "rules", because: written.message });
			}
		}
		for (const { failure } of this.#deps.ipvs.apply(ipvs).failed)
			problems.push({ about: "ipvs", because: failure.message });
		for (const route of routes.add) {
			const outcome = this.#deps.routes.add(route);
			if (!outcome.ok) problems.push({ about: "ipvs", because: outcome.message });
		}
		return problems;
	}

	/** A name is written before its virtual server is made, and struck out after it is gone: a crash between leaves none behind. */
	#record(when: "before" | "after"): void {
		const owned = this.#plan.owned();
		const isNew = owned.some((name) => !this.#recorded.has(name));
		if (when === "before" ? !isNew : owned.length === this.#recorded.size && !isNew) return;
		this.#recorded = new Set(when === "before" ? [...this.#recorded, ...owned] : owned);
		try {
			this.#deps.record.write([...this.#recorded]);
		} catch (error) {
			this.#deps.log.error({ because: String(error) }, "layer 4: the record of virtual servers could not be written");
		}
	}

	#failed(problems: readonly RulesProblem[]): false {
		this.#problems = problems.slice(0, 100);
		this.#deps.log.error(
			{ because: problems[0]?.because, more: problems.length - 1 },
			"layer 4: IPVS is not as wanted",
		);
		this.#cancelRetry?.();
		const afterMs = Math.min(maxRetryMs, firstRetryMs * 2 ** this.#failures);
		this.#failures += 1;
		this.#cancelRetry = this.#deps.clock.after(afterMs, () => this.#resync());
		return false;
	}

	#resync(): void {
		if (this.#isStarted) {
			const failure = this.#lookAtKernel();
			if (failure) {
				this.#failed([{ about: "ipvs", because: failure.message }]);
				return;
			}
		}
		this.apply();
	}

	#scheduleSync(): void {
		this.#cancelSync = this.#deps.clock.after(this.#options.syncPeriodMs ?? 30_000, () => {
			this.#resync();
			this.#scheduleSync();
		});
	}

	#watch(): void {
		this.#cancelWatch ??= this.#deps.tables.watch(ipvsTables, () => {
			this.#plan.forgetTables();
			this.#failed([{ about: "rules", because: "another program changed our table; it is built anew" }]);
		});
	}

	#feedDrain({ left, returned }: IpvsPlanChanges): void {
		if (returned.length > 0) this.#drainEvent({ type: "returned", leavers: returned });
		if (left.length > 0) this.#drainEvent({ type: "left", leavers: left, nowMs: this.#deps.clock.monotonicMs() });
	}

	#drainEvent(event: DrainEvent): void {
		const { actions, state } = step(this.#options.drain ?? defaultDrainConfig, this.#drain, event);
		this.#drain = state;
		for (const action of actions) {
			switch (action.type) {
				case "countAfter":
					this.#cancelCount = this.#deps.clock.after(action.ms, () => this.#count());
					break;
				case "remove":
					this.#plan.drained(action.leavers);
					this.apply();
					break;
				default:
					action satisfies never;
			}
		}
	}

	#count(): void {
		const read = this.#deps.ipvs.read();
		if (!read.ok) this.#drainEvent({ type: "countFailed" });
		if (!read.ok) return;
		const connections = new Map<string, number>();
		for (const { server, destinations } of read.servers)
			for (const { activeConnections, destination, inactiveConnections } of destinations)
				connections.set(
					leaverName({ server: virtualServerName(server.key), destination: destinationName(destination) }),
					activeConnections + inactiveConnections,
				);
		this.#drainEvent({ type: "counted", connections, nowMs: this.#deps.clock.monotonicMs() });
	}
}

/** Virtual servers of these names; how many there were. */
export function removeOwned(ipvs: IpvsTable, owned: ReadonlySet<string>): number {
	const read = ipvs.read();
	const keys = read.ok ? read.servers.map(({ server }) => server.key) : [];
	const ours = keys.filter((key) => owned.has(virtualServerName(key)));
	ipvs.apply(ours.map((key) => ({ type: "deleteServer", key }) as const));
	return ours.length;
}

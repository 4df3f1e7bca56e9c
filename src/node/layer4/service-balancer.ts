// Services -> this machine's layer-4 rules. In: the Services that changed, and what the node is. Out: rules in the kernel at once,
// flows forgotten that lead to nobody, health-check ports, and a status. Only changed Services are planned again.

import type { ConntrackTable } from "../../kernel/conntrack-table.ts";
import type { NftablesTables } from "../../kernel/nftables-tables.ts";
import type { Balancer } from "../../l4/balancer.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import { NftablesPlan } from "../../l4/nftables/nftables-plan.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import type { Layer4Backend } from "../../l4/services/annotations.ts";
import { planService } from "../../l4/services/plan-service.ts";
import { type Unallocated, unallocatedText } from "../../l4/services/unallocated.ts";
import { compareText } from "../../resources/config-object.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { BackendRules } from "./backend-rules.ts";
import { BalancerRules } from "./balancer-rules.ts";
import { FlowCleaner } from "./flow-cleaner.ts";
import type { Layer4Metrics } from "./layer4-metrics.ts";
import type { AppliedRules, Layer4Status, RulesProblem, ServiceStatus } from "./layer4-status.ts";
import { flowFronts } from "./stale-flows.ts";

export interface ServiceBalancerDeps {
	readonly tables: NftablesTables;
	readonly syncPeriodMs?: number;
	/** Before Linux 6.2. Default false. */
	readonly chainsLinger?: boolean;
	/** What Services without an annotation get. Default nftables. */
	readonly backend?: Layer4Backend;
	/** Opens IPVS when a Service wants it, once. Absent: there is none. */
	readonly openIpvs?: (node: NodeFacts) => OpenedIpvs;
	/** Absent: flows to endpoints that are gone live on until they time out. */
	readonly conntrack?: Pick<ConntrackTable, "deleteWhereLater">;
	readonly metrics?: Layer4Metrics;
	readonly clock: Clock;
	readonly log: Log;
	/** These Services or the node changed, after rules were written. Undefined: the Service is gone. */
	readonly onChanged?: (changed: ReadonlyMap<string, Layer4Service | undefined>) => void;
}

export type OpenedIpvs =
	| { readonly ok: true; readonly rules: BackendRules }
	| { readonly ok: false; readonly because: string };

const noIpvs: OpenedIpvs = { ok: false, because: "there is no IPVS here" };
const rememberedApplies = 8;

export class ServiceBalancer {
	readonly #deps: ServiceBalancerDeps;
	readonly #rules: BalancerRules;
	readonly #services = new Map<string, Layer4Service>();
	readonly #planned = new Map<string, Planned>();
	#ipvs: OpenedIpvs | undefined;
	/** In this round a Service moved to IPVS: it must be there before its other rules go. */
	#movesToIpvs = false;
	#node: NodeFacts;
	/** Changed since rules were written last, and since when. */
	#pending = new Map<string, Layer4Service | undefined>();
	#pendingSinceMs = 0;
	#isScheduled = false;
	#isClosed = false;
	/** Services are known: until then what a previous run left stays as it is. */
	#isReady = false;
	#applied: readonly AppliedRules[] = [];
	readonly #flows: FlowCleaner | undefined;
	/** Services that did not get the backend that they want. */
	readonly #wanting = new Set<string>();

	constructor(node: NodeFacts, deps: ServiceBalancerDeps) {
		this.#node = node;
		this.#deps = deps;
		this.#rules = new BalancerRules(node, {
			tables: deps.tables,
			...(deps.syncPeriodMs === undefined ? {} : { syncPeriodMs: deps.syncPeriodMs }),
			...(deps.chainsLinger ? { chainsLinger: true } : {}),
			newPlan: (facts) => new NftablesPlan(facts),
			clock: deps.clock,
			log: deps.log,
			onApplied: (applied) => {
				this.#applied = [applied, ...this.#applied].slice(0, rememberedApplies);
				deps.metrics?.applied(applied);
			},
		});
		this.#flows =
			deps.conntrack &&
			new FlowCleaner({
				conntrack: deps.conntrack,
				service: (key) => this.#services.get(key),
				node: () => this.#node,
				areRulesInForce: () => this.#areRulesInForce,
				clock: deps.clock,
				log: deps.log,
			});
	}

	/** Undefined: the Service is gone. All calls of one turn are one transaction, at the turn's end. */
	update(changed: ReadonlyMap<string, Layer4Service | undefined>): void {
		if (this.#pending.size === 0) this.#pendingSinceMs = this.#deps.clock.monotonicMs();
		for (const [key, service] of changed) this.#pending.set(key, service);
		this.#deps.metrics?.changed(changed.size);
		this.#isReady = true;
		this.#schedule();
	}

	/** Addresses or settings of the machine changed: every Service is planned again. */
	setNode(node: NodeFacts): void {
		if (JSON.stringify(node) === JSON.stringify(this.#node)) return;
		for (const [key, service] of this.#services)
			this.#flows?.changed(key, flowFronts([service], this.#node), flowFronts([service], node));
		this.#node = node;
		this.#rules.setNode(node);
		if (this.#ipvs?.ok) this.#ipvs.rules.setNode(node);
		for (const [key, service] of this.#services) this.#plan(key, service);
		if (this.#isReady) this.#schedule();
	}

	get node(): NodeFacts {
		return this.#node;
	}

	services(): ReadonlyMap<string, Layer4Service> {
		return this.#services;
	}

	/** The rules are those of the Services; what health checks of the proxy itself ask. */
	get isInForce(): boolean {
		return this.#isReady && this.#areRulesInForce;
	}

	/** Milliseconds since the epoch; undefined when none of the last few writes succeeded. */
	get lastAppliedMs(): number | undefined {
		return this.#applied.find(({ ok }) => ok)?.atMs;
	}

	status(): Layer4Status {
		const services = [...this.#services]
			.sort(([a], [b]) => compareText(a, b))
			.map(
				([key, service]): ServiceStatus => ({
					service,
					backend: this.#planned.get(key)?.backend ?? "nftables",
					balancers: this.#planned.get(key)?.balancers ?? [],
				}),
			);
		return {
			node: this.#node,
			backend: this.#deps.backend ?? "nftables",
			state: this.#areRulesInForce ? (this.#isReady ? "inForce" : "waiting") : "failed",
			services,
			problems: this.problems(),
			applied: this.#applied,
		};
	}

	problems(): readonly RulesProblem[] {
		const wanting = [...this.#wanting];
		const because = this.#ipvs?.ok === false ? this.#ipvs.because : "";
		const isDefault = this.#deps.backend === "ipvs";
		return [
			...this.#rules.problems(),
			...(this.#ipvs?.ok ? this.#ipvs.rules.problems() : []),
			...(isDefault && wanting.length > 0 ? [{ about: "ipvs", because: `${because}; nftables is used` }] : []),
			...(isDefault ? [] : wanting.map((about) => ({ about, because: `${because}; nftables is used` }))),
			...[...this.#services].flatMap(([about, { unallocated = [] }]) =>
				unallocated.map((kind) => ({ about, because: sentenceOf(kind) })),
			),
		];
	}

	/** What waits is applied first. */
	close({ keepRules }: { readonly keepRules: boolean } = { keepRules: true }): void {
		this.#flush();
		this.#isClosed = true;
		this.#flows?.close();
		this.#rules.close({ keepRules });
		if (this.#ipvs?.ok) this.#ipvs.rules.close({ keepRules });
	}

	get #areRulesInForce(): boolean {
		return this.#rules.isInForce && (!this.#ipvs?.ok || this.#ipvs.rules.isInForce);
	}

	#schedule(): void {
		if (this.#isScheduled || this.#isClosed) return;
		this.#isScheduled = true;
		queueMicrotask(() => this.#flush());
	}

	#flush(): void {
		this.#isScheduled = false;
		if (this.#isClosed || !this.#isReady) return;
		const { clock, metrics, onChanged } = this.#deps;
		const startMs = clock.monotonicMs();
		const pending = this.#pending;
		this.#pending = new Map();
		for (const [key, service] of pending) this.#take(key, service);
		const isApplied = this.#apply();
		const endMs = clock.monotonicMs();
		metrics?.synced({
			tookMs: endMs - startMs,
			...(pending.size > 0 && isApplied ? { sinceChangeMs: endMs - this.#pendingSinceMs } : {}),
		});
		this.#flows?.cleanSoon();
		onChanged?.(pending);
	}

	#take(key: string, service: Layer4Service | undefined): void {
		const before = this.#services.get(key);
		if (service) {
			this.#services.set(key, service);
			this.#plan(key, service);
			this.#flows?.changed(key, flowFronts(before ? [before] : [], this.#node), flowFronts([service], this.#node));
		} else if (before) {
			this.#services.delete(key);
			this.#rulesOf(this.#planned.get(key)?.backend).set(key, undefined);
			this.#planned.delete(key);
			this.#wanting.delete(key);
		}
	}

	#apply(): boolean {
		const ipvs = this.#ipvs?.ok ? this.#ipvs.rules : undefined;
		const isFirst = this.#movesToIpvs && ipvs ? ipvs.apply() : true;
		this.#movesToIpvs = false;
		const isApplied = this.#rules.apply();
		return (ipvs?.apply() ?? true) && isApplied && isFirst;
	}

	#rulesOf(backend: Layer4Backend | undefined): BackendRules {
		return backend === "ipvs" && this.#ipvs?.ok ? this.#ipvs.rules : this.#rules;
	}

	#plan(key: string, service: Layer4Service): void {
		const wanted = service.backend ?? this.#deps.backend ?? "nftables";
		if (wanted === "ipvs") this.#ipvs ??= this.#deps.openIpvs?.(this.#node) ?? noIpvs;
		const backend = wanted === "ipvs" && this.#ipvs?.ok ? "ipvs" : "nftables";
		// IPVS has no chance; in turn is what it begins with.
		const isChance = backend === "ipvs" && this.#node.scheduler === "random";
		const balancers = planService(service, isChance ? { ...this.#node, scheduler: "rr" } : this.#node);
		const before = this.#planned.get(key)?.backend;
		if (before !== undefined && before !== backend) {
			this.#rulesOf(before).set(key, undefined);
			if (backend === "ipvs") this.#movesToIpvs = true;
		}
		this.#planned.set(key, { backend, balancers });
		if (wanted === backend) this.#wanting.delete(key);
		else this.#wanting.add(key);
		this.#rulesOf(backend).set(key, balancers);
	}
}

function sentenceOf(kind: Unallocated): string {
	const { message, hint } = unallocatedText[kind];
	return `${message}; ${hint}`;
}

interface Planned {
	/** What it got. */
	readonly backend: Layer4Backend;
	readonly balancers: readonly Balancer[];
}

// Services -> this machine's layer-4 rules. In: the Services that changed, and what the node is. Out: rules in the kernel at once,
// UDP flows forgotten that lead to nobody, health-check ports, and a status. Only changed Services are planned again.

import type { ConntrackTable } from "../../kernel/conntrack-table.ts";
import type { NftablesTables } from "../../kernel/nftables-tables.ts";
import type { Balancer } from "../../l4/balancer.ts";
import { type Layer4Service, layer4Key } from "../../l4/layer4-service.ts";
import { NftablesPlan } from "../../l4/nftables/nftables-plan.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import { planService } from "../../l4/services/plan-service.ts";
import { compareText } from "../../resources/config-object.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { BalancerRules } from "./balancer-rules.ts";
import type { Layer4Metrics } from "./layer4-metrics.ts";
import type { AppliedRules, Layer4Status, RulesProblem, ServiceStatus } from "./layer4-status.ts";
import { isStale, udpFronts } from "./stale-flows.ts";

export interface ServiceBalancerDeps {
	readonly tables: NftablesTables;
	/** Absent: UDP flows to endpoints that are gone live on until they time out. */
	readonly conntrack?: Pick<ConntrackTable, "deleteWhere">;
	readonly metrics?: Layer4Metrics;
	readonly clock: Clock;
	readonly log: Log;
	/** Services or the node changed, after rules were written. */
	readonly onChanged?: () => void;
}

const rememberedApplies = 8;

export class ServiceBalancer {
	readonly #deps: ServiceBalancerDeps;
	readonly #rules: BalancerRules;
	readonly #services = new Map<string, Layer4Service>();
	/** Of Services. */
	readonly #balancers = new Map<string, readonly Balancer[]>();
	#node: NodeFacts;
	/** Changed since rules were written last, and since when. */
	#pending = new Map<string, Layer4Service | undefined>();
	#pendingSinceMs = 0;
	#isScheduled = false;
	#isClosed = false;
	/** Services are known: until then what a previous run left stays as it is. */
	#isReady = false;
	#applied: readonly AppliedRules[] = [];
	#cancelFlows: Cancel | undefined;
	/** UDP Services whose flows must be looked through. */
	readonly #flowsOf = new Set<string>();

	constructor(node: NodeFacts, deps: ServiceBalancerDeps) {
		this.#node = node;
		this.#deps = deps;
		this.#rules = new BalancerRules(node, {
			tables: deps.tables,
			newPlan: (facts) => new NftablesPlan(facts),
			clock: deps.clock,
			log: deps.log,
			onApplied: (applied) => {
				this.#applied = [applied, ...this.#applied].slice(0, rememberedApplies);
				deps.metrics?.applied(applied);
			},
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

	/** Balancers that are no Service's, by owner: virtual servers. Undefined removes them. */
	updateBalancers(changed: ReadonlyMap<string, readonly Balancer[] | undefined>): void {
		for (const [owner, balancers] of changed) this.#rules.set(owner, balancers);
		this.#isReady = true;
		this.#schedule();
	}

	/** Addresses or settings of the machine changed: every Service is planned again. */
	setNode(node: NodeFacts): void {
		if (JSON.stringify(node) === JSON.stringify(this.#node)) return;
		this.#node = node;
		this.#rules.setNode(node);
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
		return this.#isReady && this.#rules.isInForce;
	}

	status(): Layer4Status {
		const services = [...this.#services]
			.sort(([a], [b]) => compareText(a, b))
			.map(
				([key, service]): ServiceStatus => ({
					service,
					backend: "nftables",
					balancers: this.#balancers.get(key) ?? [],
				}),
			);
		return {
			node: this.#node,
			backend: "nftables",
			state: this.#rules.isInForce ? (this.#isReady ? "inForce" : "waiting") : "failed",
			services,
			problems: this.problems(),
			applied: this.#applied,
		};
	}

	problems(): readonly RulesProblem[] {
		return this.#rules.problems();
	}

	/** What waits is applied first. */
	close({ keepRules }: { readonly keepRules: boolean } = { keepRules: true }): void {
		this.#flush();
		this.#isClosed = true;
		this.#cancelFlows?.();
		this.#rules.close({ keepRules });
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
		const isApplied = this.#rules.apply();
		const endMs = clock.monotonicMs();
		metrics?.synced({
			tookMs: endMs - startMs,
			...(pending.size > 0 && isApplied ? { sinceChangeMs: endMs - this.#pendingSinceMs } : {}),
		});
		if (this.#flowsOf.size > 0) this.#forgetFlows();
		onChanged?.();
	}

	#take(key: string, service: Layer4Service | undefined): void {
		const before = this.#services.get(key);
		if (service) {
			this.#services.set(key, service);
			this.#plan(key, service);
			if (service.ports.some(({ protocol }) => protocol === "udp")) this.#flowsOf.add(key);
		} else if (before) {
			this.#services.delete(key);
			this.#balancers.delete(key);
			this.#rules.set(key, undefined);
		}
	}

	#plan(key: string, service: Layer4Service): void {
		const balancers = planService(service, this.#node);
		this.#balancers.set(key, balancers);
		this.#rules.set(key, balancers);
	}

	#forgetFlows(): void {
		const { conntrack, log } = this.#deps;
		const services = [...this.#flowsOf].flatMap((key) => this.#services.get(key) ?? []);
		this.#flowsOf.clear();
		const fronts = udpFronts(services, this.#node);
		if (!conntrack || fronts.size === 0) return;
		const outcome = conntrack.deleteWhere({ protocol: "udp" }, (flow) => isStale(fronts, flow));
		const about = services.map(layer4Key).slice(0, 10);
		if (!outcome.ok)
			log.error({ because: outcome.message, services: about }, "layer 4: UDP flows could not be looked through");
		else if (outcome.deleted > 0) log.info({ flows: outcome.deleted, services: about }, "layer 4: UDP flows forgotten");
	}
}

// What balancers are wanted -> the rules that the kernel has. In: balancers by owner as they change. Out: whole transactions, only
// of what changed; on failure or after a stranger's hand everything is built anew. What a previous run left is taken over in
// the one transaction that replaces it, so that no packet meets an empty table.

import type { NftablesTables, NftTableChange, Written } from "../../kernel/nftables-tables.ts";
import type { Balancer } from "../../l4/balancer.ts";
import type { NftChange } from "../../l4/nftables/change.ts";
import type { NftSet, NftTable } from "../../l4/nftables/ruleset.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { BackendRules, RulesEnd } from "./backend-rules.ts";
import type { AppliedRules, RulesProblem } from "./layer4-status.ts";

/** The desired state of one backend, and what of it was handed out last. */
export interface RulesPlan {
	set(owner: string, balancers: readonly Balancer[]): void;
	remove(owner: string): void;
	setNode(node: NodeFacts): void;
	/** Since the last call; the first one builds the tables. With the time, chains out of use stay for a second. */
	takeChanges(nowMs?: number): readonly NftTableChange[];
	/** What of the balancers is not done, or not as asked. */
	problems(): readonly { readonly owner: string; readonly message: string }[];
}

export interface BalancerRulesDeps {
	readonly tables: NftablesTables;
	readonly newPlan: (node: NodeFacts) => RulesPlan;
	readonly clock: Clock;
	readonly log: Log;
	/** How often the kernel's tables are compared with those of before. Default 30 s. */
	readonly syncPeriodMs?: number;
	/** Before Linux 6.2: the kernel notices late that a chain is out of use. Default false. */
	readonly chainsLinger?: boolean;
	/** Something was applied, or could not be. */
	readonly onApplied?: (applied: AppliedRules) => void;
}

export const layer4Tables: readonly NftTable[] = [
	{ family: "ip", name: "keepmesh-l4" },
	{ family: "ip6", name: "keepmesh-l4" },
];

const firstRetryMs = 100;
const maxRetryMs = 30_000;
/** Of somebody who changes our tables again and again. */
const foreignGapMs = 1_000;
const lingerMs = 1_100;
const defaultSyncPeriodMs = 30_000;

export class BalancerRules implements BackendRules {
	readonly #deps: BalancerRulesDeps;
	readonly #wanted = new Map<string, readonly Balancer[]>();
	/** Owners that changed since rules were applied last. */
	#touched = new Set<string>();
	/** Owners whose balancers the kernel refuses, and why. */
	readonly #refused = new Map<string, string>();
	#node: NodeFacts;
	/** Undefined: what the kernel has is unknown, all must be built. */
	#plan: RulesPlan | undefined;
	#failures = 0;
	#because: string | undefined;
	#cancelRetry: Cancel | undefined;
	#cancelWatch: Cancel | undefined;
	#foreignMs = Number.NEGATIVE_INFINITY;
	#cancelForeign: Cancel | undefined;
	#cancelLinger: Cancel | undefined;
	#cancelSync: Cancel | undefined;
	/** What the kernel said of the tables when it was asked last; undefined once they were changed. */
	#seen: string | undefined;

	constructor(node: NodeFacts, deps: BalancerRulesDeps) {
		this.#node = node;
		this.#deps = deps;
	}

	/** Undefined removes them. Takes effect with `apply`. */
	set(owner: string, balancers: readonly Balancer[] | undefined): void {
		this.#touched.add(owner);
		if (balancers === undefined || balancers.length === 0) this.#wanted.delete(owner);
		else this.#wanted.set(owner, balancers);
		// It gets another chance.
		if (this.#refused.delete(owner)) this.#plan = undefined;
		if (balancers === undefined || balancers.length === 0) this.#plan?.remove(owner);
		else this.#plan?.set(owner, balancers);
	}

	setNode(node: NodeFacts): void {
		this.#node = node;
		this.#plan?.setNode(node);
	}

	/** Brings the kernel to what is wanted; false when it could not, then it is tried again by itself. */
	apply(): boolean {
		if (!this.#plan) return this.#rebuild("first");
		const { chainsLinger, clock } = this.#deps;
		const changes = this.#plan.takeChanges(chainsLinger ? clock.monotonicMs() : undefined);
		if (chainsLinger && changes.length > 0)
			this.#cancelLinger ??= clock.after(lingerMs, () => {
				this.#cancelLinger = undefined;
				this.apply();
			});
		if (changes.length === 0) {
			this.#touched.clear();
			return true;
		}
		const applied = this.#write(changes, "change");
		if (applied.ok) {
			this.#touched.clear();
			return true;
		}
		this.#deps.log.error({ because: applied.because }, "layer 4: a change of rules failed; building all of them anew");
		return this.#rebuild("afterFailure");
	}

	problems(): readonly RulesProblem[] {
		return [
			...(this.#because === undefined ? [] : [{ about: "rules", because: this.#because }]),
			...[...this.#refused].map(([about, because]) => ({ about, because })),
			...(this.#plan?.problems() ?? []).map(({ owner, message }) => ({ about: owner, because: message })),
		];
	}

	/** All rules of the kernel are those that are wanted. */
	get isInForce(): boolean {
		return this.#because === undefined;
	}

	close({ keepRules }: RulesEnd): void {
		this.#cancelRetry?.();
		this.#cancelForeign?.();
		this.#cancelWatch?.();
		this.#cancelLinger?.();
		this.#cancelSync?.();
		if (keepRules) return;
		const leftovers = this.#presentTables().map((table) => ({ table, change: { type: "deleteTable" } as const }));
		if (leftovers.length > 0) this.#deps.tables.apply(leftovers);
	}

	#rebuild(reason: AppliedRules["reason"]): boolean {
		this.#cancelRetry?.();
		this.#cancelRetry = undefined;
		const whole = this.#build(new Set(this.#refused.keys()), reason);
		if (whole.ok) return true;
		// One Service that the kernel refuses must not keep all others from their rules: those that changed last stay out.
		const suspects = [...this.#touched].filter((owner) => this.#wanted.has(owner));
		if (suspects.length > 0 && suspects.length < this.#wanted.size) {
			const others = this.#build(new Set([...this.#refused.keys(), ...suspects]), reason);
			if (others.ok) {
				for (const owner of suspects) this.#refused.set(owner, whole.because);
				this.#deps.log.error(
					{ owners: suspects.slice(0, 10), because: whole.because },
					"layer 4: the kernel refuses rules",
				);
				this.#touched.clear();
				this.#retryLater(() => {
					this.#refused.clear();
					for (const owner of suspects) this.#touched.add(owner);
					return this.#rebuild("retry");
				});
				return false;
			}
		}
		this.#because = whole.because;
		this.#deps.log.error({ because: whole.because }, "layer 4: rules could not be written; what was there stays");
		this.#retryLater(() => this.#rebuild("retry"));
		return false;
	}

	#build(without: ReadonlySet<string>, reason: AppliedRules["reason"]): Outcome {
		this.#plan = undefined;
		const present = this.#presentTables();
		const plan = this.#deps.newPlan(this.#node);
		for (const [owner, balancers] of this.#wanted) if (!without.has(owner)) plan.set(owner, balancers);
		// It takes the place of tables of the same name.
		const built = this.#wanted.size === 0 ? [] : plan.takeChanges();
		const left = present.filter((table) => !built.some((one) => isSame(one.table, table)));
		const changes = [
			...left.map((table) => ({ table, change: { type: "deleteTable" } as const })),
			...built,
			...this.#carriedOver(present, built),
		];
		const outcome: Outcome = changes.length === 0 ? { ok: true } : this.#write(changes, reason);
		if (!outcome.ok) return outcome;
		// Nothing is wanted: no table either, until something is.
		if (built.length > 0) this.#plan = plan;
		this.#failures = without.size === 0 ? 0 : this.#failures;
		this.#because = undefined;
		this.#touched.clear();
		this.#watch();
		return outcome;
	}

	/** Whom clients are tied to: packets filled these sets, and the new ones are to know it as well. */
	#carriedOver(present: readonly NftTable[], built: readonly NftTableChange[]): readonly NftTableChange[] {
		const found: NftTableChange[] = [];
		for (const table of present)
			for (const { table: of, change } of built) {
				if (change.type !== "addSet" || !change.set.dynamic || !isSame(table, of)) continue;
				const elements = this.#elementsOf(table, change.set);
				if (elements.length > 0) found.push({ table, change: { type: "addElements", set: change.set, elements } });
			}
		return found;
	}

	#elementsOf(table: NftTable, set: NftSet): Extract<NftChange, { type: "addElements" }>["elements"] {
		try {
			return this.#deps.tables.elements(table, set);
		} catch {
			return [];
		}
	}

	#presentTables(): readonly NftTable[] {
		return layer4Tables.filter((table) => this.#deps.tables.read(table) !== undefined);
	}

	/** For the hand that no event told of. */
	#compareLater(): void {
		const { clock, syncPeriodMs = defaultSyncPeriodMs } = this.#deps;
		this.#cancelSync = clock.after(syncPeriodMs, () => {
			if (this.#plan) {
				const now = JSON.stringify(layer4Tables.map((table) => this.#deps.tables.read(table)));
				if (this.#seen !== undefined && this.#seen !== now) this.#onForeignChange("the tables are not as they were");
				this.#seen = now;
			}
			this.#compareLater();
		});
	}

	#write(changes: readonly NftTableChange[], reason: AppliedRules["reason"]): Outcome {
		const written = this.#apply(changes);
		this.#seen = undefined;
		const common = { atMs: this.#deps.clock.wallMs(), reason, changes: changes.length };
		if (written.ok) {
			const { bytes, tookMs } = written;
			this.#deps.onApplied?.({ ...common, ok: true, bytes, tookMs });
			return { ok: true };
		}
		this.#deps.onApplied?.({ ...common, ok: false, because: written.message });
		return { ok: false, because: written.message };
	}

	/** Rules that cannot even be written down are a mistake of ours: the agent's other work, and the rules that are there, go on. */
	#apply(changes: readonly NftTableChange[]): Written {
		try {
			return this.#deps.tables.apply(changes);
		} catch (error) {
			this.#deps.log.error({ because: (error as Error).stack }, "layer 4: rules cannot be written down");
			return { ok: false, because: "invalid", message: `cannot be written down: ${(error as Error).message}` };
		}
	}

	#retryLater(run: () => void): void {
		const waitMs = Math.min(maxRetryMs, firstRetryMs * 2 ** this.#failures);
		this.#failures++;
		this.#cancelRetry = this.#deps.clock.after(waitMs, run);
	}

	#watch(): void {
		if (this.#cancelWatch) return;
		this.#cancelWatch = this.#deps.tables.watch(layer4Tables, (what) => this.#onForeignChange(what));
		this.#compareLater();
	}

	#onForeignChange(what: string): void {
		this.#deps.log.warn({ what }, "layer 4: somebody else changed these rules; building them anew");
		this.#plan = undefined;
		if (this.#cancelForeign || this.#cancelRetry) return;
		const sinceMs = this.#deps.clock.monotonicMs() - this.#foreignMs;
		// What comes with one stroke is repaired with one.
		this.#cancelForeign = this.#deps.clock.after(Math.max(0, foreignGapMs - sinceMs), () => {
			this.#cancelForeign = undefined;
			this.#foreignMs = this.#deps.clock.monotonicMs();
			this.#rebuild("foreignChange");
		});
	}
}

type Outcome = { readonly ok: true } | { readonly ok: false; readonly because: string };

function isSame(a: NftTable, b: NftTable): boolean {
	return a.family === b.family && a.name === b.name;
}

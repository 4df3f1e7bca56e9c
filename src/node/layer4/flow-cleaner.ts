// Forgets flows that lead to nobody, after rules were written and never in the same turn: the kernel takes tens of milliseconds
// to look through its table. In: which Services changed, and how. Out: one look for all of them, on another thread, and not more
// often than each 100 ms. When it fails it is tried again.

import type { ConntrackTable, FlowFilter } from "../../kernel/conntrack-table.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import {
	type CleanedProtocol,
	cleanedProtocols,
	type FlowFronts,
	flowFronts,
	isStale,
	protocolsWithStale,
} from "./stale-flows.ts";

export interface FlowCleanerDeps {
	readonly conntrack: Pick<ConntrackTable, "deleteWhereLater">;
	/** What there is now. */
	readonly service: (key: string) => Layer4Service | undefined;
	readonly node: () => NodeFacts;
	/** Until the rules are, the same flows would come back. */
	readonly areRulesInForce: () => boolean;
	readonly clock: Clock;
	readonly log: Log;
}

const gapMs = 100;
const againMs = 1_000;
/** What the kernel leaves out by itself: connections that go on are many, and those that nobody answered few. */
const filters: Readonly<Record<CleanedProtocol, FlowFilter>> = {
	udp: { protocol: "udp" },
	tcp: { protocol: "tcp", destinationTranslated: true, seenReply: false },
};

export class FlowCleaner {
	readonly #deps: FlowCleanerDeps;
	/** Services with flows to be looked for, and of which protocols. */
	#waiting = new Map<string, ReadonlySet<CleanedProtocol>>();
	#isLooking = false;
	#isClosed = false;
	#hasFailed = false;
	#earliestMs = Number.NEGATIVE_INFINITY;
	#cancel: Cancel | undefined;

	constructor(deps: FlowCleanerDeps) {
		this.#deps = deps;
	}

	changed(key: string, before: FlowFronts, after: FlowFronts): void {
		this.#add(key, protocolsWithStale(before, after));
	}

	/** Rules were written. */
	cleanSoon(): void {
		if (this.#waiting.size === 0 || this.#isLooking || this.#isClosed || this.#cancel) return;
		const { clock } = this.#deps;
		this.#cancel = clock.after(Math.max(0, this.#earliestMs - clock.monotonicMs()), () => {
			this.#cancel = undefined;
			void this.#look();
		});
	}

	close(): void {
		this.#isClosed = true;
		this.#cancel?.();
	}

	async #look(): Promise<void> {
		const { areRulesInForce, clock, conntrack, log, node, service } = this.#deps;
		if (!areRulesInForce()) return this.#again(this.#waiting, againMs);
		const waiting = this.#waiting;
		this.#waiting = new Map();
		const fronts = flowFronts(
			[...waiting.keys()].flatMap((key) => service(key) ?? []),
			node(),
		);
		if (fronts.size === 0) return;
		this.#isLooking = true;
		const about = [...waiting.keys()].slice(0, 10);
		for (const protocol of cleanedProtocols) {
			if (![...waiting.values()].some((protocols) => protocols.has(protocol))) continue;
			const outcome = await conntrack.deleteWhereLater(filters[protocol], (flow) => isStale(fronts, flow));
			if (this.#isClosed) return;
			if (!outcome.ok) {
				this.#isLooking = false;
				if (!this.#hasFailed)
					log.error({ because: outcome.message, services: about }, "layer 4: flows could not be looked through");
				this.#hasFailed = true;
				return this.#again(waiting, againMs);
			}
			if (outcome.deleted > 0)
				log.info({ protocol, flows: outcome.deleted, services: about }, "layer 4: flows forgotten");
		}
		this.#isLooking = false;
		this.#earliestMs = clock.monotonicMs() + gapMs;
		this.#hasFailed = false;
		this.cleanSoon();
	}

	#add(key: string, protocols: ReadonlySet<CleanedProtocol>): void {
		if (protocols.size > 0) this.#waiting.set(key, (this.#waiting.get(key) ?? new Set()).union(protocols));
	}

	#again(waiting: ReadonlyMap<string, ReadonlySet<CleanedProtocol>>, afterMs: number): void {
		for (const [key, protocols] of waiting) this.#add(key, protocols);
		this.#earliestMs = this.#deps.clock.monotonicMs() + afterMs;
		this.cleanSoon();
	}
}

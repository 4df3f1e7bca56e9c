// Forgets UDP flows that lead to nobody, after rules were written and never in the same turn: the kernel takes tens of milliseconds
// to look through its table. In: which Services changed, and how. Out: one look for all of them, on another thread, and not more
// often than each 100 ms. When it fails it is tried again.

import type { ConntrackTable } from "../../kernel/conntrack-table.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { isStale, mayHaveStale, type UdpFronts, udpFronts } from "./stale-flows.ts";

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

export class FlowCleaner {
	readonly #deps: FlowCleanerDeps;
	/** Services with flows to be looked for. */
	#waiting = new Set<string>();
	#isLooking = false;
	#isClosed = false;
	#hasFailed = false;
	#earliestMs = Number.NEGATIVE_INFINITY;
	#cancel: Cancel | undefined;

	constructor(deps: FlowCleanerDeps) {
		this.#deps = deps;
	}

	changed(key: string, before: UdpFronts, after: UdpFronts): void {
		if (mayHaveStale(before, after)) this.#waiting.add(key);
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
		const keys = this.#waiting;
		this.#waiting = new Set();
		const fronts = udpFronts(
			[...keys].flatMap((key) => service(key) ?? []),
			node(),
		);
		if (fronts.size === 0) return;
		this.#isLooking = true;
		const outcome = await conntrack.deleteWhereLater({ protocol: "udp" }, (flow) => isStale(fronts, flow));
		this.#isLooking = false;
		if (this.#isClosed) return;
		this.#earliestMs = clock.monotonicMs() + gapMs;
		const about = [...keys].slice(0, 10);
		if (!outcome.ok) {
			if (!this.#hasFailed)
				log.error({ because: outcome.message, services: about }, "layer 4: UDP flows could not be looked through");
			this.#hasFailed = true;
			return this.#again(keys, againMs);
		}
		this.#hasFailed = false;
		if (outcome.deleted > 0) log.info({ flows: outcome.deleted, services: about }, "layer 4: UDP flows forgotten");
		this.cleanSoon();
	}

	#again(keys: Iterable<string>, afterMs: number): void {
		for (const key of keys) this.#waiting.add(key);
		this.#earliestMs = this.#deps.clock.monotonicMs() + afterMs;
		this.cleanSoon();
	}
}

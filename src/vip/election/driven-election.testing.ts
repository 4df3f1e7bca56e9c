// One machine with its clock and timer, driven by a test: asks wait in a list until they are answered.

import { initialElection, stepElection } from "./election-machine.ts";
import type { ElectionAction, ElectionConfig, ElectionEvent, ElectionState } from "./election-state.ts";
import { acquiredRecord, releasedRecord, renewedRecord } from "./lease-record.ts";
import type { LeaseOutcome, LeaseRecord, StoredLease } from "./lease-store.ts";

export const electionForTest: ElectionConfig = {
	identity: "a",
	durationMs: 15_000,
	maxDelayMs: 1000,
	retryMs: 2000,
	operationTimeoutMs: 2000,
	disagreeAfterMs: 30_000,
	advertIntervalMs: 100,
	decides: false,
	releasesWhenUnreachable: false,
};

type WithoutTime<Event> = Event extends ElectionEvent ? Omit<Event, "nowUs"> : never;
export type Ask = Extract<ElectionAction, { readonly type: "read" | "acquire" | "renew" | "release" }>;

/** A lease in memory with the rules of every store; writers have clocks of their own, as wrong as they like. */
export class MemoryLease {
	stored: StoredLease | undefined;

	apply(ask: Ask, wallMs: number): LeaseOutcome {
		if (ask.type === "read") return { ok: true, lease: this.stored };
		if (ask.seen?.resourceVersion !== this.stored?.resourceVersion)
			return { ok: false, because: "conflict", message: "changed meanwhile" };
		const record = recordAfter(ask, new Date(wallMs).toISOString());
		this.stored = { record, resourceVersion: String(Number(this.stored?.resourceVersion ?? 0) + 1) };
		return { ok: true, lease: this.stored };
	}
}

function recordAfter(ask: Exclude<Ask, { readonly type: "read" }>, at: string): LeaseRecord {
	switch (ask.type) {
		case "acquire":
			return acquiredRecord(ask.claim, ask.seen?.record, at);
		case "renew":
			return renewedRecord(ask.claim, ask.seen.record, at);
		case "release":
			return releasedRecord(ask.claim, ask.seen.record, at);
	}
}

export class DrivenElection {
	readonly config: ElectionConfig;
	state: ElectionState;
	nowUs = 0;
	dueUs = Number.POSITIVE_INFINITY;
	readonly asks: Ask[] = [];
	readonly said: string[] = [];

	constructor(changed: Partial<ElectionConfig> = {}) {
		this.config = { ...electionForTest, ...changed };
		this.state = initialElection(this.config);
	}

	/** What it answers: waits, ties; the rest is kept here. */
	tell(event: WithoutTime<ElectionEvent>): readonly ElectionAction[] {
		const { state, actions } = stepElection(this.config, this.state, { ...event, nowUs: this.nowUs } as ElectionEvent);
		this.state = state;
		for (const action of actions) {
			if (action.type === "setTimer") this.dueUs = action.dueUs;
			if (action.type === "warn" || action.type === "note") this.said.push(action.because);
			if (action.type === "read" || action.type === "acquire" || action.type === "renew" || action.type === "release")
				this.asks.push(action);
		}
		return actions.filter(
			({ type }) => type === "wait" || type === "stopWaiting" || type === "tie" || type === "yield",
		);
	}

	role(role: ElectionState["role"], priority = 100): readonly ElectionAction[] {
		return this.tell({ type: "roleChanged", role, priority, address: `addr-${this.config.identity}`, because: "test" });
	}

	/** All that is asked, and what is asked because of the answers. */
	answer(lease: MemoryLease, wallMs = this.nowUs / 1000): readonly ElectionAction[] {
		const advice: ElectionAction[] = [];
		for (let ask = this.asks.shift(); ask; ask = this.asks.shift())
			advice.push(...this.tell({ type: "storeAnswered", id: ask.id, outcome: lease.apply(ask, wallMs) }));
		return advice;
	}

	fail(message = "connection refused"): readonly ElectionAction[] {
		const ask = this.asks.shift();
		if (!ask) throw new Error("nothing is asked");
		const outcome: LeaseOutcome = { ok: false, because: "unreachable", message };
		return this.tell({ type: "storeAnswered", id: ask.id, outcome });
	}

	/** Up to that time, answering from a lease, or not at all. */
	runUntil(untilUs: number, lease?: MemoryLease): void {
		while (this.dueUs <= untilUs) {
			this.nowUs = Math.max(this.nowUs, this.dueUs);
			this.dueUs = Number.POSITIVE_INFINITY;
			this.tell({ type: "timerExpired" });
			if (lease) this.answer(lease);
		}
		this.nowUs = untilUs;
	}
}

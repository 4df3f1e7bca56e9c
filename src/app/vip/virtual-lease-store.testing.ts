// A lease store on the clock of a virtual LAN: answers after a delay, with an error, or never. It answers in the same turn in
// which the clock says so: promises would wait until the test lets go.

import type { VirtualClock } from "../../runtime/virtual-clock.ts";
import { type Ask, MemoryLease } from "../../vip/election/driven-election.testing.ts";
import type { LeaseClaim, LeaseName, LeaseOutcome, LeaseStore, StoredLease } from "../../vip/election/lease-store.ts";

export class VirtualLeaseStore implements LeaseStore {
	readonly lease = new MemoryLease();
	mode: "good" | "fails" | "hangs" = "good";
	delayMs = 1;
	readonly #clock: VirtualClock;

	constructor(clock: VirtualClock) {
		this.#clock = clock;
	}

	get holder(): string | undefined {
		return this.lease.stored?.record.holderIdentity;
	}

	read(_name: LeaseName): Promise<LeaseOutcome> {
		return this.#answer({ type: "read", id: 0 });
	}

	acquire(_name: LeaseName, claim: LeaseClaim, seen: StoredLease | undefined): Promise<LeaseOutcome> {
		return this.#answer({ type: "acquire", id: 0, claim, seen });
	}

	renew(_name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome> {
		return this.#answer({ type: "renew", id: 0, claim, seen });
	}

	release(_name: LeaseName, claim: LeaseClaim, seen: StoredLease): Promise<LeaseOutcome> {
		return this.#answer({ type: "release", id: 0, claim, seen });
	}

	#answer(ask: Ask): Promise<LeaseOutcome> {
		const then = <T>(onAnswer: (outcome: LeaseOutcome) => T): Promise<T> => {
			if (this.mode !== "hangs")
				this.#clock.after(this.delayMs, () => {
					const failure: LeaseOutcome = { ok: false, because: "unreachable", message: "no route to host" };
					onAnswer(this.mode === "good" ? this.lease.apply(ask, this.#clock.wallMs()) : failure);
				});
			return new Promise<T>(() => {});
		};
		return Object.assign(new Promise<LeaseOutcome>(() => {}), { then });
	}
}

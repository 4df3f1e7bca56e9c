// A lease that advises one virtual router: carries out what the machine of the election says, on a store that may fail or hang.
// Nothing of the virtual router waits for the store.

import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { Cancel } from "../../runtime/clock.ts";
import { electionConfig } from "../../vip/election/election-config.ts";
import { initialElection, stepElection } from "../../vip/election/election-machine.ts";
import type {
	ElectionAction,
	ElectionConfig,
	ElectionEvent,
	ElectionState,
} from "../../vip/election/election-state.ts";
import type { LeaseOutcome, LeaseStore } from "../../vip/election/lease-store.ts";
import type { InstanceConfig, LeaseConfig } from "../../vip/vip-config.ts";

export interface LeaseAdviserDeps {
	readonly loop: Pick<RealTimeLoop, "nowUs" | "at">;
	readonly identity: string;
	readonly store: LeaseStore;
	readonly onStopWaiting: () => void;
	/** Of a lease that decides: it is another's. Never called while an event is at work. */
	readonly onYield: (because: string) => void;
	readonly noted: (because: string) => void;
}

export class LeaseAdviser {
	readonly lease: LeaseConfig;
	readonly config: ElectionConfig;
	#state: ElectionState;
	#cancel: Cancel = () => {};
	#cancelYield: Cancel | undefined;
	#onIdle: (() => void) | undefined;
	readonly #deps: LeaseAdviserDeps;

	constructor(lease: LeaseConfig, instance: InstanceConfig, deps: LeaseAdviserDeps) {
		this.lease = lease;
		this.config = electionConfig(deps.identity, instance);
		this.#state = initialElection(this.config);
		this.#deps = deps;
	}

	get state(): ElectionState {
		return this.#state;
	}

	deliver(event: ElectionEvent): readonly ElectionAction[] {
		const { state, actions } = stepElection(this.config, this.#state, event);
		this.#state = state;
		for (const action of actions) this.#act(action);
		return actions;
	}

	/** Gives the lease back; `onIdle` when the store has answered. No timer runs from now on. */
	end(onIdle: () => void): void {
		this.#cancel();
		this.#cancelYield?.();
		this.#onIdle = onIdle;
		this.#tellIfIdle();
	}

	#act(action: ElectionAction): void {
		const { loop, store, noted, onStopWaiting } = this.#deps;
		switch (action.type) {
			case "read":
				this.#await(action.id, store.read(this.lease));
				return;
			case "acquire":
				this.#await(action.id, store.acquire(this.lease, action.claim, action.seen));
				return;
			case "renew":
				this.#await(action.id, store.renew(this.lease, action.claim, action.seen));
				return;
			case "release":
				this.#await(action.id, store.release(this.lease, action.claim, action.seen));
				return;
			case "setTimer":
				this.#cancel();
				if (this.#onIdle) return;
				this.#cancel = loop.at(action.dueUs, (nowUs) => this.deliver({ type: "timerExpired", nowUs }));
				return;
			case "stopWaiting":
				onStopWaiting();
				return;
			case "yield":
				this.#yieldSoon(action.because);
				return;
			case "warn":
			case "note":
				noted(action.because);
				return;
			case "wait":
			case "tie":
				return;
			default:
				action satisfies never;
		}
	}

	#yieldSoon(because: string): void {
		const { loop, onYield } = this.#deps;
		this.#cancelYield ??= loop.at(loop.nowUs(), () => {
			this.#cancelYield = undefined;
			onYield(because);
		});
	}

	#await(id: number, asked: Promise<LeaseOutcome>): void {
		const hear = (outcome: LeaseOutcome): void => {
			this.deliver({ type: "storeAnswered", nowUs: this.#deps.loop.nowUs(), id, outcome });
			this.#tellIfIdle();
		};
		asked.then(hear, (error: unknown) => hear({ ok: false, because: "unreachable", message: String(error) }));
	}

	#tellIfIdle(): void {
		if (!this.#state.operation) this.#onIdle?.();
	}
}

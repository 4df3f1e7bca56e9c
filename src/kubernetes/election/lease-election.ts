// Carries out what the machine of an election says, at an API server. In: a client and the name of a Lease. Out: that this process
// leads, and that it no longer does, before anybody else can.

import type { Cancel, Clock } from "../../runtime/clock.ts";
import { realClock } from "../../runtime/clock.ts";
import type { RawObject } from "../client/api-object.ts";
import { leases } from "../client/api-resources.ts";
import type { ApiAnswer, KubernetesClient } from "../client/kubernetes-client.ts";
import { Refused } from "../client/refused.ts";
import { pathOf } from "../client/resource-path.ts";
import { initialLeaseState, type LeaseAction, type LeaseConfig, type LeaseEvent, stepLease } from "./lease-machine.ts";
import { readLease, renderLease } from "./lease-record.ts";

export interface LeaseElectionOptions {
	readonly client: KubernetesClient;
	readonly namespace: string;
	/** Of the Lease. */
	readonly lease: string;
	/** Of this process alone: the Pod's name is enough, as a Pod has one name for its life. */
	readonly identity: string;
	/** Default 10,000: without a word of the holder for so long, another may lead. */
	readonly leaseMs?: number;
	/** Default 7,000: a holder that cannot renew for so long no longer leads. */
	readonly renewMs?: number;
	/** Default 1,000. */
	readonly retryMs?: number;
	readonly clock?: Clock;
}

export interface LeaseElectionEvents {
	/** `transitions` rises with each new holder. */
	readonly onGained: (transitions: number) => void;
	readonly onLost: (because: string) => void;
}

type LeaseNews = LeaseEvent extends infer Event
	? Event extends LeaseEvent
		? Omit<Event, "nowMs" | "wallMs">
		: never
	: never;

export class LeaseElection {
	readonly #options: LeaseElectionOptions;
	readonly #events: LeaseElectionEvents;
	readonly #config: LeaseConfig;
	readonly #clock: Clock;
	#state = initialLeaseState;
	#cancel: Cancel = () => {};
	#last: Promise<void> = Promise.resolve();

	constructor(options: LeaseElectionOptions, events: LeaseElectionEvents) {
		this.#options = options;
		this.#events = events;
		this.#clock = options.clock ?? realClock;
		const { identity, leaseMs = 10_000, renewMs = 7_000, retryMs = 1_000 } = options;
		this.#config = { identity, leaseMs, renewMs, retryMs };
	}

	get isLeader(): boolean {
		return this.#state.role === "leader";
	}

	/** As far as it is known; undefined: nobody. */
	get holder(): string | undefined {
		return this.#state.seen?.record.holder || undefined;
	}

	start(): void {
		this.#deliver({ type: "timerExpired" });
	}

	/** A leader says so and gives the Lease back; resolves when the server has it, or does not answer within 2 s. */
	async stop(): Promise<void> {
		// A renewal under way changes the version that is given back.
		if (this.isLeader) await this.#within(1_000, this.#last);
		this.#deliver({ type: "stopped" });
		this.#cancel();
		await this.#within(1_000, this.#last);
	}

	async #within(ms: number, done: Promise<void>): Promise<void> {
		const late = Promise.withResolvers<void>();
		const cancel = this.#clock.after(ms, late.resolve);
		await Promise.race([done, late.promise]);
		cancel();
	}

	#deliver(news: LeaseNews): void {
		const event = { ...news, nowMs: this.#clock.monotonicMs(), wallMs: this.#clock.wallMs() } as LeaseEvent;
		const { actions, state } = stepLease(this.#config, this.#state, event);
		this.#state = state;
		for (const action of actions) this.#act(action);
	}

	#act(action: LeaseAction): void {
		switch (action.type) {
			case "read":
				this.#last = this.#ask(() => this.#read());
				return;
			case "write":
				this.#last = this.#ask(() => this.#write(action));
				return;
			case "setTimer":
				this.#cancel();
				this.#cancel = this.#clock.after(action.afterMs, () => this.#deliver({ type: "timerExpired" }));
				return;
			case "gained":
				this.#events.onGained(action.transitions);
				return;
			case "lost":
				this.#events.onLost(action.because);
				return;
			default:
				action satisfies never;
		}
	}

	async #ask(run: () => Promise<LeaseNews>): Promise<void> {
		let news: LeaseNews;
		try {
			news = await run();
		} catch (error) {
			news = { type: "failed", because: error instanceof Error ? error.message : String(error) };
		}
		this.#deliver(news);
	}

	async #read(): Promise<LeaseNews> {
		const { client, lease, namespace } = this.#options;
		const answer = await client.request("GET", pathOf(leases, namespace, lease), { timeoutMs: this.#config.renewMs });
		if (answer.status === 404) return { type: "read", lease: undefined };
		return { type: "read", lease: leaseIn(answer) };
	}

	async #write({ record, resourceVersion }: LeaseAction & { readonly type: "write" }): Promise<LeaseNews> {
		const { client, lease, namespace } = this.#options;
		const body = renderLease(namespace, lease, record, resourceVersion);
		const isNew = resourceVersion === undefined;
		const path = pathOf(leases, namespace, isNew ? undefined : lease);
		const answer = await client.request(isNew ? "POST" : "PUT", path, { body, timeoutMs: this.#config.renewMs });
		if (answer.status === 409 || answer.status === 404) {
			// A missing namespace is no Lease that somebody deleted.
			if (isNew && answer.status === 404) throw Refused.of(answer);
			return { type: "conflict" };
		}
		return { type: "written", lease: leaseIn(answer) };
	}
}

function leaseIn(answer: ApiAnswer) {
	if (answer.status >= 300) throw Refused.of(answer);
	return readLease(answer.body as RawObject);
}

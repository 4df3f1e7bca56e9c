// Leadership among the replicas of a control plane, by the Lease of their Deployment.

import type { KubernetesClient } from "../../kubernetes/client/kubernetes-client.ts";
import { LeaseElection } from "../../kubernetes/election/lease-election.ts";
import type { Cancel, Clock } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { Metrics } from "../../runtime/metrics.ts";
import type { Leadership } from "./control-part.ts";

export interface LeaseLeadershipOptions {
	readonly namespace: string;
	readonly lease: string;
	readonly identity: string;
}

export class LeaseLeadership implements Leadership {
	readonly #election: LeaseElection;
	readonly #listeners = new Set<(isLeader: boolean) => void>();

	constructor(
		options: LeaseLeadershipOptions,
		parts: { readonly client: KubernetesClient; readonly clock: Clock; readonly log: Log; readonly metrics: Metrics },
	) {
		const { log } = parts;
		const leads = parts.metrics.gauge("keepmesh_leader", "1 while this control plane leads.");
		leads.set(0);
		this.#election = new LeaseElection(
			{ ...options, client: parts.client, clock: parts.clock },
			{
				onGained: (transitions) => {
					log.info({ lease: options.lease, transitions }, "this control plane leads");
					leads.set(1);
					this.#tell();
				},
				onLost: (because) => {
					log.warn({ lease: options.lease, because }, "this control plane leads no more");
					leads.set(0);
					this.#tell();
				},
			},
		);
	}

	get isLeader(): boolean {
		return this.#election.isLeader;
	}

	get holder(): string | undefined {
		return this.#election.holder;
	}

	follow(onChange: (isLeader: boolean) => void): Cancel {
		this.#listeners.add(onChange);
		onChange(this.isLeader);
		return () => this.#listeners.delete(onChange);
	}

	start(): void {
		this.#election.start();
	}

	/** Another one may lead at once. */
	stop(): Promise<void> {
		return this.#election.stop();
	}

	#tell(): void {
		for (const listener of this.#listeners) listener(this.isLeader);
	}
}

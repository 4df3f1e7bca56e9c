// The leases of all virtual routers of a process that have one. Virtual routers tell what happens to them and ask for advice.

import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { LeaseStore } from "../../vip/election/lease-store.ts";
import type { LeaseConfig } from "../../vip/vip-config.ts";
import type { ReceivedAdvert } from "../../vip/vrrp/advert.ts";
import { LeaseAdviser } from "./lease-adviser.ts";
import { type LeaseStatus, leaseStatus } from "./lease-status.ts";
import type { VirtualRouter } from "./virtual-router.ts";

export interface LeaseAdvisersDeps {
	readonly loop: Pick<RealTimeLoop, "nowUs" | "at">;
	/** This machine's name. */
	readonly node: string;
	readonly storeFor: (lease: LeaseConfig) => LeaseStore;
	readonly noted: (instance: string, because: string) => void;
}

export class LeaseAdvisers {
	readonly #deps: LeaseAdvisersDeps;
	readonly #advisers = new Map<VirtualRouter, LeaseAdviser>();
	readonly #ending = new Set<LeaseAdviser>();
	readonly #lost = new Map<VirtualRouter, string>();
	#onIdle: () => void = () => {};

	constructor(deps: LeaseAdvisersDeps) {
		this.#deps = deps;
	}

	/** Its role, or its configuration. */
	changed(router: VirtualRouter): void {
		const { config, state } = router;
		const adviser = this.#adviserOf(router);
		if (!adviser || adviser.state.role === state.role) return;
		const { role, priority, because } = state;
		const address = router.source ?? "";
		const nowUs = this.#deps.loop.nowUs();
		adviser.deliver({ type: "roleChanged", nowUs, role, priority, address, because });
		if (role === "STOP" && config.lease) this.#end(router, adviser);
	}

	/** Gives back the advert as the machine of the virtual router is to hear it: a tie may be decided by the lease. */
	heard(router: VirtualRouter, source: string, advert: ReceivedAdvert, nowUs: number): ReceivedAdvert {
		const adviser = this.#advisers.get(router);
		if (!adviser) return advert;
		const { role, priority, handOver } = router.state;
		adviser.deliver({ type: "advertHeard", nowUs, source });
		if (role !== "MASTER" || handOver || advert.priority !== priority) return advert;
		for (const action of adviser.deliver({ type: "equalHeard", nowUs, source }))
			if (action.type === "tie") return { ...advert, sourceIsHigher: action.stays === "other" };
		return advert;
	}

	/** While it owns the addresses, another machine answered for one. */
	conflictHeard(router: VirtualRouter, mac: string): void {
		this.#advisers.get(router)?.deliver({ type: "conflictHeard", nowUs: this.#deps.loop.nowUs(), mac });
	}

	/** Until when a claim is to wait; undefined: it need not. */
	claimDue(router: VirtualRouter, nowUs: number): number | undefined {
		// Heartbeats of an owner were heard, where adverts may be filtered: nothing is split.
		if (router.state.down?.fast) return undefined;
		for (const action of this.#advisers.get(router)?.deliver({ type: "claimDue", nowUs }) ?? [])
			if (action.type === "wait") return action.untilUs;
		return undefined;
	}

	/** A lease that decides was lost just now. */
	faultOf(router: VirtualRouter): string | undefined {
		return this.#lost.get(router);
	}

	statusOf(router: VirtualRouter): LeaseStatus | undefined {
		const adviser = this.#advisers.get(router);
		return adviser && leaseStatus(adviser.lease, adviser.config, adviser.state, this.#deps.loop.nowUs());
	}

	/** Calls back once all that were given back are free in their store; the caller stops waiting when it likes. */
	whenIdle(onIdle: () => void): void {
		this.#onIdle = onIdle;
		if (this.#ending.size === 0) onIdle();
	}

	/** Leaves what it owns for a moment: as a backup it waits for the lease again. */
	#yield(router: VirtualRouter, because: string): void {
		if (router.state.role !== "MASTER") return;
		this.#lost.set(router, because);
		router.faultsChanged();
		this.#lost.delete(router);
		router.faultsChanged();
	}

	#adviserOf(router: VirtualRouter): LeaseAdviser | undefined {
		const { name, lease, advertIntervalMs } = router.config;
		const before = this.#advisers.get(router);
		const same = before?.config.advertIntervalMs === advertIntervalMs;
		if (before && same && JSON.stringify(before.lease) === JSON.stringify(lease)) return before;
		if (before) {
			const { priority, because } = router.state;
			const nowUs = this.#deps.loop.nowUs();
			before.deliver({ type: "roleChanged", nowUs, role: "STOP", priority, address: "", because });
			this.#end(router, before);
		}
		if (!lease || router.state.role === "STOP") return undefined;
		const { loop, node, storeFor, noted } = this.#deps;
		const adviser = new LeaseAdviser(lease, router.config, {
			loop,
			identity: node,
			store: storeFor(lease),
			onStopWaiting: () => router.claimNow(),
			onYield: (because) => this.#yield(router, because),
			noted: (because) => noted(name, because),
		});
		this.#advisers.set(router, adviser);
		return adviser;
	}

	#end(router: VirtualRouter, adviser: LeaseAdviser): void {
		this.#advisers.delete(router);
		this.#ending.add(adviser);
		adviser.end(() => {
			this.#ending.delete(adviser);
			if (this.#ending.size === 0) this.#onIdle();
		});
	}
}

// Gratuitous ARP and neighbour advertisements of one virtual router. The first copy of each address leaves at once; further
// copies follow with the configured spacing, so that a burst of many does not overflow a switch's queue.

import type { HostNetwork, Outcome } from "../../kernel/host-network.ts";
import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { Cancel } from "../../runtime/clock.ts";
import type { AnnounceSchedule } from "../../vip/vip-config.ts";
import type { KeptAddress } from "./address-keeper.ts";

export interface AnnouncerDeps {
	readonly network: HostNetwork;
	readonly loop: Pick<RealTimeLoop, "nowUs" | "at">;
	/** Each announcement, with what became of it. */
	readonly onSent: (address: string, outcome: Outcome) => void;
}

export class Announcer {
	readonly #deps: AnnouncerDeps;
	#cancel: Cancel = () => {};

	constructor(deps: AnnouncerDeps) {
		this.#deps = deps;
	}

	/** Replaces a burst that still runs. */
	announce(addresses: readonly KeptAddress[], copies: number, schedule: AnnounceSchedule): void {
		this.#cancel();
		this.#round(addresses, copies, schedule);
	}

	stop(): void {
		this.#cancel();
	}

	#round(addresses: readonly KeptAddress[], copiesLeft: number, schedule: AnnounceSchedule): void {
		for (const { address, interface: on } of addresses)
			this.#deps.onSent(address, this.#deps.network.announce(on, address));
		if (copiesLeft <= 1) return;
		// Copies of one moment are lost together; without a configured spacing a millisecond lies between them.
		const isNeighbour = addresses.some(({ address }) => address.includes(":"));
		const spacingMs = (isNeighbour ? schedule.neighbourSpacingMs : undefined) ?? schedule.spacingMs;
		const dueUs = this.#deps.loop.nowUs() + Math.max(1, spacingMs) * 1000;
		this.#cancel = this.#deps.loop.at(dueUs, () => this.#round(addresses, copiesLeft - 1, schedule));
	}
}

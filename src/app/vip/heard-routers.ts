// Who else speaks for a virtual router: peers whose adverts count, and strangers whose packets were dropped, with the reason.
// A stranger with our VRID and other addresses or another password is a clash that an operator must hear of.

import type { ReceivedAdvert } from "../../vip/vrrp/advert.ts";
import { type DropReason, dropReasons } from "../../vip/vrrp/drop-reason.ts";

export interface HeardRouter {
	readonly source: string;
	readonly priority: number;
	readonly intervalMs: number;
	readonly atUs: number;
	readonly adverts: number;
	/** Its adverts carry other addresses than this configuration. */
	readonly otherAddresses: boolean;
}

export interface DroppedSender {
	readonly source: string;
	readonly because: DropReason;
	/** In a sentence. */
	readonly meaning: string;
	readonly packets: number;
	readonly atUs: number;
}

/** So many of each are remembered: made-up sources must not fill the memory. */
const most = 32;

export class HeardRouters {
	readonly #heard = new Map<string, HeardRouter>();
	readonly #dropped = new Map<string, DroppedSender>();

	get heard(): readonly HeardRouter[] {
		return [...this.#heard.values()];
	}

	get dropped(): readonly DroppedSender[] {
		return [...this.#dropped.values()];
	}

	/** True when this is new: a sender that was not known, or one whose addresses differ from now on. */
	hear(source: string, { priority, intervalMs, notes }: ReceivedAdvert, atUs: number): boolean {
		const known = this.#heard.get(source);
		const otherAddresses = notes.includes("addr_list_err");
		if (!known) makeRoom(this.#heard);
		this.#heard.set(source, {
			source,
			priority,
			intervalMs,
			atUs,
			adverts: (known?.adverts ?? 0) + 1,
			otherAddresses,
		});
		return !known || (otherAddresses && !known.otherAddresses);
	}

	/** True for the first packet of that source with that reason. */
	drop(source: string, because: DropReason, atUs: number): boolean {
		const key = `${source} ${because}`;
		const known = this.#dropped.get(key);
		if (!known) makeRoom(this.#dropped);
		const packets = (known?.packets ?? 0) + 1;
		this.#dropped.set(key, { source, because, meaning: dropReasons[because], packets, atUs });
		return !known;
	}
}

function makeRoom(map: Map<string, unknown>): void {
	if (map.size < most) return;
	const oldest = map.keys().next();
	if (!oldest.done) map.delete(oldest.value);
}

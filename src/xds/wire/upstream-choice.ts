// Which control plane a stream turns to, and how long it waits before. In: its group at each moment, what was reached and what was
// lost. Out: an address, and a wait.

import type { RelayStreamOptions, UpstreamGroup } from "./relay-options.ts";

export class UpstreamChoice {
	readonly #options: Pick<RelayStreamOptions, "firstUpstream" | "backoffMs"> & { readonly random: () => number };
	readonly #groupNow: () => UpstreamGroup;
	#group: string | undefined;
	#index = 0;
	/** Attempts in a row that reached nobody. */
	#failures = 0;
	/** Hosts that are turned to only where there is no other. */
	#avoided: ReadonlySet<string> = new Set();

	constructor(
		options: Pick<RelayStreamOptions, "firstUpstream" | "backoffMs"> & { readonly random: () => number },
		groupNow: () => UpstreamGroup,
	) {
		this.#options = options;
		this.#groupNow = groupNow;
	}

	/** Of the control plane that was turned to last; empty: none was yet. */
	get group(): string {
		return this.#group ?? "";
	}

	/** Those that it may turn to. */
	get upstreams(): UpstreamGroup["upstreams"] {
		return this.#groupNow().upstreams;
	}

	/** Every one was tried, and none answered. */
	get isExhausted(): boolean {
		return this.#failures >= this.upstreams.length;
	}

	/** How often every one was tried. */
	get rounds(): number {
		return Math.floor(this.#failures / this.upstreams.length);
	}

	/** The group is another one than that of the control plane that was turned to last. */
	get isOutdated(): boolean {
		return this.#group !== undefined && this.#group !== this.#groupNow().name;
	}

	/** `isNewGroup`: what was known of the one before does not count for this one. */
	next(): { readonly to: UpstreamGroup["upstreams"][number] | undefined; readonly isNewGroup: boolean } {
		const { name, upstreams } = this.#groupNow();
		const isNewGroup = name !== this.#group;
		if (isNewGroup) {
			this.#group = name;
			this.#failures = 0;
			this.#index = Math.floor(this.#options.firstUpstream * upstreams.length);
		}
		this.#index %= upstreams.length; // The list may have become shorter.
		const isAvoided = (): boolean => this.#avoided.has(upstreams[this.#index]?.host ?? "");
		for (let tries = 0; tries < upstreams.length && isAvoided(); tries++)
			this.#index = (this.#index + 1) % upstreams.length;
		return { to: upstreams[this.#index], isNewGroup };
	}

	/** One answers, or may: nothing that failed before makes it wait. */
	encourage(): void {
		this.#failures = 0;
		this.#avoided = new Set();
	}

	/** Until one answers. */
	avoid(hosts: ReadonlySet<string>): void {
		this.#avoided = hosts;
	}

	/**
	 * Milliseconds until the next is tried. The others are tried at once; only when none answers it waits, longer each round, and not
	 * in step with its neighbours.
	 */
	lost(): number {
		const { backoffMs, random } = this.#options;
		const { rounds } = this;
		this.#index = (this.#index + 1) % this.upstreams.length;
		const waitMs = rounds === 0 && this.#failures > 0 ? 0 : Math.min(backoffMs.most, backoffMs.first * 2 ** rounds);
		this.#failures++;
		return waitMs * (0.5 + 0.5 * random());
	}
}

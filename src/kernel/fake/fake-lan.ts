// A LAN in memory, for tests of what is built on HostNetwork: hosts, frames that take time and can be cut off, and what the
// neighbours believe about who has an address.

import type { Clock } from "../../runtime/clock.ts";
import { FakeHost, type FakeHostOptions } from "./fake-host.ts";

export interface Announcement {
	readonly atUs: number;
	readonly host: string;
	readonly address: string;
	readonly mac: string;
}

/** What travels between hosts. `port` is absent for VRRP. */
export interface Frame {
	readonly from: string;
	readonly source: string;
	readonly destination: string;
	readonly ttl: number;
	readonly protocol: number;
	readonly port?: { readonly source: number; readonly destination: number };
	readonly payload: Uint8Array;
	readonly ipHeader?: Uint8Array;
}

export class FakeLan {
	readonly clock: Clock;
	readonly #latencyMs: number;
	readonly #hosts = new Map<string, FakeHost>();
	readonly #cuts = new Set<string>();
	/** All of them, the earliest first. */
	readonly announcements: Announcement[] = [];

	/** A frame takes 0.2 ms unless told. */
	constructor(clock: Clock, latencyMs = 0.2) {
		this.clock = clock;
		this.#latencyMs = latencyMs;
	}

	addHost(options: FakeHostOptions): FakeHost {
		const host = new FakeHost(this, options);
		this.#hosts.set(options.name, host);
		return host;
	}

	/** Frames of one host no longer come to another; in one direction. */
	cut(from: string, to: string): void {
		this.#cuts.add(`${from} ${to}`);
	}

	heal(): void {
		this.#cuts.clear();
	}

	/** Names of the hosts that have the address on an interface that works. */
	owners(address: string): readonly string[] {
		return [...this.#hosts.values()].filter((host) => host.answersFor(address)).map((host) => host.name);
	}

	/** The MAC that the LAN's neighbours have learned last. */
	neighbour(address: string): string | undefined {
		return this.announcements.findLast((one) => one.address === address)?.mac;
	}

	/** To all others, after the latency. */
	deliver(frame: Frame): void {
		for (const host of this.#hosts.values()) {
			if (host.name === frame.from) continue;
			this.clock.after(this.#latencyMs, () => {
				if (!this.#cuts.has(`${frame.from} ${host.name}`)) host.receive(frame);
			});
		}
	}

	announced(host: FakeHost, address: string, mac: string): void {
		this.announcements.push({ atUs: this.clock.monotonicMs() * 1000, host: host.name, address, mac });
		for (const other of this.#hosts.values())
			if (other !== host && !this.#cuts.has(`${host.name} ${other.name}`)) other.hearOwner(address, mac);
	}

	/** Those who have it answer who asks. */
	probe(host: FakeHost, address: string): void {
		for (const other of this.#hosts.values()) {
			if (other === host || !other.answersFor(address)) continue;
			this.clock.after(this.#latencyMs * 2, () => {
				if (!this.#cuts.has(`${other.name} ${host.name}`)) host.hearOwner(address, other.mac);
			});
		}
	}
}

// Connections that follow their address from node to node. In: who is heard as an owner of each virtual router's addresses, and that
// this node owns them. Out: to whom the kernel hands packets of connections that it does not know: to those who owned before, one after
// another, while they live. It stands before the address comes, so no packet is too early.
//
// All nodes ask in the same order, by address from the highest down: the owner begins, whoever else gets such a packet asks those below
// itself, and the last one resets. So a packet passes each of them once, whatever each has heard.

import type { FollowedAddress, HostNetwork } from "../../kernel/host-network.ts";
import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { Cancel } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import type { ReceivedAdvert } from "../../vip/vrrp/advert.ts";
import type { Transition } from "../../vip/vrrp/instance-state.ts";
import { compareIpAddresses, ipAddressBytes } from "../../vip/vrrp/ip-address.ts";
import { addressesOf } from "./address-keeper.ts";
import type { OwnersMemory, RememberedOwner, RememberedOwners } from "./owners-file.ts";
import type { VirtualRouter } from "./virtual-router.ts";

export interface OpenConnectionsDeps {
	readonly network: Pick<HostNetwork, "followConnections">;
	readonly loop: Pick<RealTimeLoop, "nowUs" | "at">;
	readonly log: Log;
	/** A fast heartbeat of it is heard. */
	readonly isAlive: (router: VirtualRouter, source: string) => boolean;
	/** Absent: a new process begins with nobody. */
	readonly memory?: OwnersMemory;
}

interface OwnerBefore extends RememberedOwner {
	/** When it was last known to live. */
	readonly aliveUs: number;
	readonly goodbyeUs: number | undefined;
	/** It owned and fell silent: from when on it counts as dead unless it is heard again. */
	readonly doubtedUntilUs: number | undefined;
}

/** A goodbye that is older says nothing of this move. */
const goodbyeUs = 5_000_000;
/** Whoever is silent for longer than heartbeats allow may have had too much to do: it comes back by then. */
const doubtUs = 300_000;
/** The process of an owner before may be replaced; its kernel goes on. */
const silentUs = 60_000_000;
const lookUs = 5_000_000;
/** Those who owned last. */
const mostOwners = 8;

export class OpenConnections {
	readonly #deps: OpenConnectionsDeps;
	/** Who owned last comes first. */
	readonly #owners = new Map<VirtualRouter, readonly OwnerBefore[]>();
	#remembered: RememberedOwners;
	#written = "[]";
	#isWriting = false;
	#isRefused = false;
	#cancelLook: Cancel | undefined;

	constructor(deps: OpenConnectionsDeps) {
		this.#deps = deps;
		this.#remembered = deps.memory?.read() ?? {};
	}

	/** A router that starts: as a process before this one knew it. */
	added(router: VirtualRouter): void {
		const known = this.#remembered[router.config.name] ?? [];
		if (!router.config.followsOpenConnections || known.length === 0) return;
		const nowUs = this.#deps.loop.nowUs();
		const at = { aliveUs: nowUs, goodbyeUs: undefined, doubtedUntilUs: undefined };
		this.#owners.set(
			router,
			known.map((one) => ({ ...one, ...at })),
		);
		this.#look();
	}

	/** Before the machine hears it. */
	heard(router: VirtualRouter, source: string, { priority, sourceIsHigher }: ReceivedAdvert, nowUs: number): void {
		if (!router.config.followsOpenConnections) return;
		const known = this.#of(router);
		const before = known.find((one) => one.source === source);
		const others = known.filter((one) => one !== before);
		if (priority === 0) {
			if (before) this.#owners.set(router, [{ ...before, goodbyeUs: nowUs }, ...others]);
			return;
		}
		const heard = { source, isHigher: sourceIsHigher, aliveUs: nowUs };
		const owner: OwnerBefore = { ...heard, goodbyeUs: undefined, doubtedUntilUs: undefined };
		this.#owners.set(router, [owner, ...others].slice(0, mostOwners));
		if (known[0]?.source !== source) this.#remember();
		this.#write();
		if (!this.#cancelLook) this.#look();
	}

	moved(router: VirtualRouter, { to }: Transition): void {
		const nowUs = this.#deps.loop.nowUs();
		if (to !== "MASTER") {
			this.#write();
			return;
		}
		const owners = this.#of(router).map((one, index): OwnerBefore => {
			const hasLetGo = one.goodbyeUs !== undefined && nowUs - one.goodbyeUs < goodbyeUs;
			if (hasLetGo || this.#deps.isAlive(router, one.source)) return { ...one, aliveUs: nowUs };
			// Those before the last one were not waited for: their processes may be replaced.
			return index > 0 ? one : { ...one, doubtedUntilUs: nowUs + doubtUs };
		});
		this.#owners.set(router, owners);
		this.#look();
	}

	/** Addresses may be others than before. */
	reconfigured(routers: ReadonlySet<VirtualRouter>): void {
		for (const router of this.#owners.keys())
			if (!routers.has(router) || !router.config.followsOpenConnections) this.#owners.delete(router);
		this.#write();
	}

	/** What is remembered stays, for the process after this one. */
	close(): void {
		this.#cancelLook?.();
		this.#owners.clear();
		this.#write();
	}

	#of(router: VirtualRouter): readonly OwnerBefore[] {
		return this.#owners.get(router) ?? [];
	}

	/** Who does not live any more has nothing to be handed. */
	#look(): void {
		this.#cancelLook?.();
		const nowUs = this.#deps.loop.nowUs();
		let nextUs = nowUs + lookUs;
		let isLess = false;
		for (const [router, known] of this.#owners) {
			const owners = known.flatMap((one) => {
				if (this.#deps.isAlive(router, one.source)) return { ...one, aliveUs: nowUs, doubtedUntilUs: undefined };
				const { aliveUs, doubtedUntilUs = Number.POSITIVE_INFINITY } = one;
				if (nowUs >= Math.min(doubtedUntilUs, aliveUs + silentUs)) return [];
				nextUs = Math.min(nextUs, doubtedUntilUs);
				return one;
			});
			isLess ||= owners.length < known.length;
			if (owners.length > 0) this.#owners.set(router, owners);
			else this.#owners.delete(router);
		}
		if (isLess) this.#remember();
		this.#write();
		this.#cancelLook = this.#owners.size > 0 ? this.#deps.loop.at(nextUs, () => this.#look()) : undefined;
	}

	#remember(): void {
		this.#remembered = Object.fromEntries(
			[...this.#owners].map(([{ config }, owners]) => [
				config.name,
				owners.map(({ isHigher, source }) => ({ source, isHigher })),
			]),
		);
		this.#deps.memory?.write(this.#remembered);
	}

	#write(): void {
		const followed = this.#followed();
		const text = JSON.stringify(followed);
		if (this.#isWriting || text === this.#written) return;
		this.#isWriting = true;
		void this.#deps.network.followConnections(followed).then((outcome) => {
			this.#isWriting = false;
			this.#written = text;
			if (!outcome.ok && !this.#isRefused)
				this.#deps.log.warn({ because: outcome.message }, "open connections end when an address moves");
			this.#isRefused = !outcome.ok;
			this.#write();
		});
	}

	#followed(): readonly FollowedAddress[] {
		return [...this.#owners].flatMap(([router, owners]) => {
			const { config, state } = router;
			// Who owns now began with it.
			const asked = state.role === "MASTER" ? owners : owners.slice(1);
			const whenHere = highest(owners);
			const whenElsewhere = highest(asked.filter(({ isHigher }) => !isHigher));
			if (whenHere === undefined) return [];
			const { interface: on } = config;
			return addressesOf(config).map(({ address }) => ({
				address,
				interface: on,
				whenHere,
				...(whenElsewhere !== undefined && { whenElsewhere }),
			}));
		});
	}
}

function highest(owners: readonly OwnerBefore[]): string | undefined {
	const bytesOf = (source: string): Uint8Array => ipAddressBytes(source) ?? new Uint8Array();
	return owners.map(({ source }) => source).sort((a, b) => compareIpAddresses(bytesOf(b), bytesOf(a)))[0];
}

// One virtual router at work: events go through the machine, and the actions that come out are carried out in their order on
// the machine's network. What fails comes back as an event. Nothing here waits.

import type { AddressConflict, HostNetwork, Outcome, VrrpPacket } from "../../kernel/host-network.ts";
import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { InstanceConfig } from "../../vip/vip-config.ts";
import type { Advert } from "../../vip/vrrp/advert.ts";
import { AdvertCodec, type Hashes } from "../../vip/vrrp/advert-codec.ts";
import { initialInstanceState, stepInstance } from "../../vip/vrrp/instance-machine.ts";
import type {
	InstanceAction,
	InstanceEvent,
	InstanceState,
	TimerName,
	Transition,
} from "../../vip/vrrp/instance-state.ts";
import { AddressKeeper, addressesOf, type KeptAddress } from "./address-keeper.ts";
import { Announcer } from "./announcer.ts";
import type { ConflictWatches } from "./conflict-watches.ts";
import { HeardRouters } from "./heard-routers.ts";
import { InstanceTimers } from "./instance-timers.ts";
import type { LeaseAdvisers } from "./lease-advisers.ts";
import type { LeaseStatus } from "./lease-status.ts";
import { NowAndThen } from "./now-and-then.ts";
import { type PastTransition, remember } from "./past-transitions.ts";
import type { VirtualRouterListener } from "./virtual-router-listener.ts";
import { createVirtualMac, portKey, type VrrpPort, type VrrpPorts, virtualMacInterface } from "./vrrp-ports.ts";

export interface VirtualRouterDeps {
	readonly network: HostNetwork;
	readonly loop: Pick<RealTimeLoop, "nowUs" | "at">;
	readonly wallMs: () => number;
	readonly hashes: Hashes;
	readonly ports: VrrpPorts;
	readonly conflicts: ConflictWatches;
	readonly listener: VirtualRouterListener;
	readonly leases?: LeaseAdvisers | undefined;
}

/** Claims of the one that just let go, or of the successor, are no conflict for so long. */
const settlingUs = 1_000_000;
const tellAgainMs = 1000;

export class VirtualRouter {
	readonly counts = new Map<string, number>();
	readonly others = new HeardRouters();
	readonly transitions: PastTransition[] = [];
	/** Why there is no socket; part of the instance's faults. */
	socketFault: string | undefined;
	#config: InstanceConfig;
	#state: InstanceState;
	#codec: AdvertCodec | undefined;
	#port: VrrpPort | undefined;
	/** Answered for an address before any master was heard. */
	#holder: AddressConflict | undefined;
	#movedUs = Number.NEGATIVE_INFINITY;
	readonly #packets = new NowAndThen();
	#event: InstanceEvent["type"] = "started";
	readonly #deps: VirtualRouterDeps;
	readonly #addresses: AddressKeeper;
	readonly #announcer: Announcer;
	readonly #timers: InstanceTimers;
	readonly #queue: InstanceEvent[] = [];
	#draining = false;

	constructor(config: InstanceConfig, deps: VirtualRouterDeps) {
		this.#config = config;
		this.#deps = deps;
		this.#timers = new InstanceTimers(deps.loop, (timer, nowUs, dueUs) => this.#expire(timer, nowUs, dueUs));
		this.#state = initialInstanceState(config);
		this.#addresses = new AddressKeeper(deps.network, config);
		this.#announcer = new Announcer({
			network: deps.network,
			loop: deps.loop,
			onSent: (address, outcome) => {
				this.#count(outcome.ok ? "gratuitous_sent" : "gratuitous_failed");
				if (!outcome.ok) deps.listener.noted(this, `cannot announce ${address}: ${outcome.message}`);
			},
		});
	}

	get config(): InstanceConfig {
		return this.#config;
	}

	get state(): InstanceState {
		return this.#state;
	}

	get source(): string | undefined {
		return this.#port?.source;
	}

	get holdsAddresses(): boolean {
		return this.#addresses.held;
	}

	get addedAddresses(): readonly KeptAddress[] {
		return this.#addresses.added;
	}

	/** Opens what it needs, or says in `socketFault` why not. May be called again when the network changed. */
	openSocket(): void {
		if (this.#port) return;
		const config = this.#config;
		const made = createVirtualMac(this.#deps.network, config);
		if (!made.ok) {
			this.socketFault = made.message;
			return;
		}
		const opened = this.#deps.ports.open(config, (packet) => this.#hear(packet));
		if (!opened.ok) {
			this.socketFault = opened.message;
			return;
		}
		this.socketFault = undefined;
		this.#port = opened.value;
		this.#codec = new AdvertCodec(config, opened.value.source, this.#deps.hashes, this.#codec);
		this.#watchConflicts();
	}

	/** Without a socket nothing is heard; its reason must become a fault at the same time. */
	closeSocket(because: string | undefined): void {
		this.socketFault = because;
		this.#port?.close();
		this.#port = undefined;
		this.#deps.conflicts.set(this.#config.interface, this, undefined);
	}

	start(startupDelayUs: number): void {
		this.deliver({ type: "started", nowUs: this.#deps.loop.nowUs(), startupDelayUs });
		this.probeAddresses();
	}

	/** In order; what is delivered while an event is at work waits for its turn. */
	deliver(event: InstanceEvent): void {
		this.#queue.push(event);
		if (this.#draining) return;
		this.#draining = true;
		try {
			for (let next = this.#queue.shift(); next; next = this.#queue.shift()) this.#step(next);
		} finally {
			this.#draining = false;
		}
		this.#deps.listener.stepped(this);
	}

	/** The role stays. Sockets are opened anew only when they must differ. */
	reconfigure(config: InstanceConfig): void {
		const before = this.#config;
		const nowUs = this.#deps.loop.nowUs();
		this.#config = config;
		if (portKey(before) !== portKey(config)) {
			const old = this.#port;
			this.#port = undefined;
			old?.close();
			this.openSocket();
		} else if (this.#port) this.#codec = new AdvertCodec(config, this.#port.source, this.#deps.hashes, this.#codec);
		const added = this.#addresses.change(config, (failure) => this.#note(`a changed address: ${failure.message}`));
		if (this.#port) this.#watchConflicts();
		if (added.length > 0 && this.#state.role === "MASTER")
			this.#announcer.announce(addressesOf(config), config.announce.repeat, config.announce);
		this.deliver({ type: "configChanged", nowUs });
		this.#deps.leases?.changed(this);
	}

	/** Somebody else took an address away that is to be here. */
	restoreAddresses(): void {
		if (!this.#addresses.held) return;
		const outcome = this.#addresses.add((failure) => this.#note(failure.message));
		if (!outcome.ok) this.#fail({ type: "addAddresses" }, outcome);
		else this.#announcer.announce(addressesOf(this.#config), this.#config.announce.repeat, this.#config.announce);
	}

	claimNow(): void {
		this.#timers.hasten("down", this.#deps.loop.nowUs());
	}

	faultsChanged(): void {
		this.#deps.listener.faultsChanged(this);
	}

	get lease(): LeaseStatus | undefined {
		return this.#deps.leases?.statusOf(this);
	}

	/** Asks the LAN whether somebody has the addresses; answers are counted as conflicts while no master is heard. */
	probeAddresses(): void {
		for (const { address } of addressesOf(this.#config)) this.#deps.conflicts.probe(this.#config.interface, address);
	}

	/** After STOP: timers, sockets, the interface with the virtual MAC. */
	close(): void {
		this.#timers.cancelAll();
		this.#announcer.stop();
		if (this.#addresses.held) this.#addresses.remove((failure) => this.#note(failure.message));
		this.closeSocket(undefined);
		if (this.#config.virtualMac) this.#deps.network.removeVirtualMac(virtualMacInterface(this.#config));
	}

	#step(event: InstanceEvent): void {
		this.#event = event.type;
		const { state, actions } = stepInstance(this.#config, this.#state, event);
		this.#state = state;
		for (const action of actions) this.#act(action);
	}

	#act(action: InstanceAction): void {
		switch (action.type) {
			case "sendAdvert":
				this.#send(action.advert);
				return;
			case "addAddresses": {
				const outcome = this.#addresses.add((failure) => this.#note(failure.message));
				if (!outcome.ok) this.#fail(action, outcome);
				return;
			}
			case "removeAddresses": {
				this.#announcer.stop();
				const outcome = this.#addresses.remove((failure) => this.#note(failure.message));
				if (!outcome.ok) this.#fail(action, outcome);
				return;
			}
			case "announce":
				this.#announcer.announce(addressesOf(this.#config), action.copies, this.#config.announce);
				return;
			case "setTimer":
				this.#timers.set(action.timer, action.dueUs);
				return;
			case "cancelTimer":
				this.#timers.cancel(action.timer);
				return;
			case "report":
				this.#report(action.transition);
				return;
			case "note":
				if (
					this.#event !== "addressConflict" ||
					this.#packets.mayTell("conflict", this.#deps.loop.nowUs(), tellAgainMs)
				)
					this.#note(action.because);
				return;
			case "lowerPriorityHeard":
				// Forged adverts must not start a script each.
				if (this.#packets.mayTell("lower", this.#deps.loop.nowUs(), this.#config.advertIntervalMs))
					this.#deps.listener.lowerPriorityHeard(this);
				return;
			case "count":
				this.#count(action.reason);
				return;
			default:
				action satisfies never;
				return;
		}
	}

	#send(advert: Advert): void {
		const { transport } = this.#config;
		if (transport.type === "multicast") {
			this.#sendTo(advert, transport.group);
			return;
		}
		for (const { address } of transport.peers) this.#sendTo(advert, address);
	}

	#sendTo(advert: Advert, to: string): void {
		if (!this.#port || !this.#codec) return;
		const outcome = this.#port.send(this.#codec.encode(advert, to, this.#deps.wallMs()), to);
		if (!outcome.ok) this.#fail({ type: "sendAdvert", advert }, outcome);
	}

	#expire(timer: TimerName, nowUs: number, dueUs: number): void {
		const held = timer === "down" ? this.#deps.listener.heldBack(this, nowUs) : undefined;
		const untilUs = timer === "down" && held === undefined ? this.#deps.leases?.claimDue(this, nowUs) : undefined;
		if (untilUs !== undefined) this.#timers.set(timer, untilUs, true);
		else this.deliver({ type: "timerExpired", nowUs, timer, dueUs, ...(held === undefined ? {} : { held }) });
	}

	#hear(packet: VrrpPacket): void {
		if (!this.#codec) return;
		const decoded = this.#codec.decode(packet, this.#deps.wallMs());
		const { source, receivedUs: atUs } = packet;
		if (!decoded.ok) {
			this.#count(decoded.because);
			if (this.others.drop(source, decoded.because, atUs) && this.#packets.mayTell("dropped", atUs, tellAgainMs))
				this.#note("packets of a sender are dropped", { source, because: decoded.because });
			return;
		}
		const { advert } = decoded;
		const isNews = this.others.hear(source, advert, atUs) && advert.notes.includes("addr_list_err");
		if (isNews && this.#packets.mayTell("addresses", atUs, tellAgainMs))
			this.#note("another router has this VRID with other addresses", { source });
		const nowUs = this.#deps.loop.nowUs();
		this.#deps.listener.heard(this, source, advert, nowUs);
		const told = this.#deps.leases?.heard(this, source, advert, nowUs) ?? advert;
		this.deliver({ type: "advertReceived", nowUs, advert: told, source });
	}

	#watchConflicts(): void {
		const onConflict = (conflict: AddressConflict): void => {
			const nowUs = this.#deps.loop.nowUs();
			const { role, handOver, heard } = this.#state;
			if (handOver || nowUs - this.#movedUs < settlingUs || this.#isOwnMac(conflict.mac)) return;
			if (role === "MASTER") {
				this.deliver({ type: "addressConflict", nowUs, ...conflict });
				this.#deps.leases?.conflictHeard(this, conflict.mac);
			}
			// Perhaps the master's, whose next advert is still to come.
			else if (role === "BACKUP" && !heard) this.#holder = conflict;
		};
		const addresses = addressesOf(this.#config).map(({ address }) => address);
		this.#deps.conflicts.set(this.#config.interface, this, { addresses, onConflict });
	}

	/** All nodes announce with the virtual MAC where there is one. */
	#isOwnMac(mac: string): boolean {
		if (!this.#config.virtualMac) return false;
		return this.#deps.network.link(virtualMacInterface(this.#config))?.mac === mac;
	}

	#report(transition: Transition): void {
		if (transition.to === "MASTER" && this.#holder && !this.#state.heard) {
			this.#count("address_conflict");
			this.#note("an address is in use, and no master is heard", this.#holder);
		}
		this.#holder = undefined;
		if (transition.from === "MASTER" || transition.to === "MASTER") this.#movedUs = this.#deps.loop.nowUs();
		remember(this.transitions, transition, this.#deps.wallMs());
		this.#deps.leases?.changed(this);
		this.#deps.listener.moved(this, transition);
	}

	/** Comes back to the machine once the actions of this step are done. */
	#fail(action: InstanceAction, outcome: Extract<Outcome, { readonly ok: false }>): void {
		this.#queue.push({
			type: "actionFailed",
			nowUs: this.#deps.loop.nowUs(),
			action: action.type,
			because: outcome.message,
		});
	}

	#count(reason: string): void {
		this.counts.set(reason, (this.counts.get(reason) ?? 0) + 1);
	}

	#note(because: string, facts?: object): void {
		this.#deps.listener.noted(this, because, facts);
	}
}

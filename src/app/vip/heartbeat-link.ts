// The fast heartbeat on one interface: messages of the machine go out by UDP, what is heard goes in, and what it says is told to
// the virtual routers of that interface. Multicast beside multicast adverts, unicast beside unicast ones.

import type { HostNetwork, UdpSocket } from "../../kernel/host-network.ts";
import type { RealTimeLoop } from "../../kernel/real-time-loop.ts";
import type { Cancel } from "../../runtime/clock.ts";
import type { FastHeartbeatConfig, InstanceConfig } from "../../vip/vip-config.ts";
import type { Hashes } from "../../vip/vrrp/advert-codec.ts";
import {
	entryKey,
	type HeartbeatAction,
	type HeartbeatConfig,
	type HeartbeatEvent,
	type HeartbeatPeer,
	type HeartbeatTimer,
	initialHeartbeatState,
	stepHeartbeat,
} from "../../vip/vrrp/heartbeat-machine.ts";
import {
	decodeHeartbeat,
	encodeHeartbeat,
	type HeartbeatEntry,
	type HeartbeatKey,
	type HeartbeatMessage,
} from "../../vip/vrrp/heartbeat-message.ts";
import { hmacKeyBytes } from "../../vip/vrrp/hmac-trailer-config.ts";
import type { InstanceEvent } from "../../vip/vrrp/instance-state.ts";

export interface HeartbeatLinkDeps {
	readonly network: HostNetwork;
	readonly loop: Pick<RealTimeLoop, "nowUs" | "at">;
	readonly hashes: Hashes;
	readonly node: number;
	readonly incarnation: bigint;
	/** For the virtual router with that `entryKey` on this link. */
	readonly tell: (key: string, event: InstanceEvent) => void;
	/** Whatever it owned. */
	readonly peerGone: (peer: string) => void;
	readonly noted: (because: string, facts: object) => void;
}

/** One link for all instances that agree in these. */
export function heartbeatLinkKey(instance: InstanceConfig): string | undefined {
	const { fastHeartbeat } = instance;
	if (!fastHeartbeat) return undefined;
	return `${instance.interface} ${instance.family} ${instance.transport.type} ${fastHeartbeat.port}`;
}

export class HeartbeatLink {
	readonly counts = new Map<string, number>();
	/** Why it does not work. */
	fault: string | undefined;
	readonly #deps: HeartbeatLinkDeps;
	#config: HeartbeatConfig;
	#state = initialHeartbeatState;
	#port = 0;
	#destinations: readonly string[] = [];
	#key: HeartbeatKey | undefined;
	#socket: UdpSocket | undefined;
	readonly #timers = new Map<HeartbeatTimer, Cancel>();

	constructor(instances: readonly InstanceConfig[], deps: HeartbeatLinkDeps) {
		this.#deps = deps;
		this.#config = { node: deps.node, incarnation: deps.incarnation, intervalUs: 0, missed: 0 };
		this.#configure(instances);
		this.#open(instances);
		if (this.#socket) this.#step({ type: "started", nowUs: deps.loop.nowUs() });
	}

	get peers(): ReadonlyMap<string, HeartbeatPeer> {
		return this.#state.peers;
	}

	/** Tried again after the network changed. */
	retry(instances: readonly InstanceConfig[]): void {
		if (this.#socket) return;
		this.#open(instances);
		if (this.#socket) this.#step({ type: "started", nowUs: this.#deps.loop.nowUs() });
	}

	/** Other peers, another key, another interval; who is alive stays known. */
	reconfigure(instances: readonly InstanceConfig[]): void {
		this.#configure(instances);
		const kept = new Set(instances.map(entryKey));
		for (const key of this.#state.own.keys())
			if (!kept.has(key)) this.#step({ type: "ownRemoved", nowUs: this.#deps.loop.nowUs(), key });
	}

	ownChanged(entry: HeartbeatEntry): void {
		const known = this.#state.own.get(entryKey(entry));
		if (known?.role === entry.role && known.priority === entry.priority && known.successor === entry.successor) return;
		this.#step({ type: "ownChanged", nowUs: this.#deps.loop.nowUs(), entry });
	}

	close(): void {
		for (const cancel of this.#timers.values()) cancel();
		this.#timers.clear();
		this.#socket?.close();
		this.#socket = undefined;
	}

	#configure(instances: readonly InstanceConfig[]): void {
		const fast = fastestOf(instances);
		this.#config = { ...this.#config, intervalUs: fast.intervalMs * 1000, missed: fast.missed };
		this.#port = fast.port;
		this.#destinations = destinationsOf(instances);
		const key = keyOf(instances);
		this.#key = key && { key, hmacSha256: this.#deps.hashes.hmacSha256 };
	}

	#open(instances: readonly InstanceConfig[]): void {
		const [first] = instances;
		if (!first) return;
		const { transport } = first;
		const opened = this.#deps.network.openUdpSocket(
			{
				family: first.family,
				port: this.#port,
				interface: first.interface,
				...(transport.type === "multicast" ? { group: transport.group } : {}),
			},
			({ source, bytes }) => this.#hear(source, bytes),
		);
		this.fault = opened.ok ? undefined : opened.message;
		if (opened.ok) this.#socket = opened.value;
		else this.#deps.noted("no fast heartbeat", { interface: first.interface, because: opened.message });
	}

	#hear(source: string, bytes: Uint8Array): void {
		const decoded = decodeHeartbeat(bytes, this.#key);
		if (!decoded.ok) {
			this.#count(decoded.because);
			return;
		}
		// Multicast comes back to its sender.
		if (decoded.message.node === this.#config.node && decoded.message.incarnation === this.#config.incarnation) return;
		this.#step({ type: "messageReceived", nowUs: this.#deps.loop.nowUs(), source, message: decoded.message });
	}

	#step(event: HeartbeatEvent): void {
		const { state, actions } = stepHeartbeat(this.#config, this.#state, event);
		this.#state = state;
		for (const action of actions) this.#act(action);
	}

	#act(action: HeartbeatAction): void {
		switch (action.type) {
			case "send":
				this.#send(action.message);
				return;
			case "setTimer":
				this.#setTimer(action.timer, action.dueUs);
				return;
			case "cancelTimer":
				this.#timers.get(action.timer)?.();
				this.#timers.delete(action.timer);
				return;
			case "tell":
				this.#deps.tell(action.key, action.event);
				return;
			case "peerChanged":
				if (!action.alive) this.#deps.peerGone(action.peer);
				this.#deps.noted(action.alive ? "a peer is there" : "a peer is gone", {
					peer: action.peer,
					because: action.because,
				});
				return;
			case "count":
				this.#count(action.reason);
				return;
			default:
				action satisfies never;
				return;
		}
	}

	#send(message: HeartbeatMessage): void {
		const bytes = encodeHeartbeat(message, this.#key);
		for (const destination of this.#destinations)
			if (this.#socket?.send(bytes, destination, this.#port).ok === false) this.#count("heartbeat_send_err");
	}

	#setTimer(timer: HeartbeatTimer, dueUs: number): void {
		this.#timers.get(timer)?.();
		const cancel = this.#deps.loop.at(dueUs, (nowUs) => {
			this.#timers.delete(timer);
			this.#step({ type: "timerExpired", nowUs, timer, dueUs });
		});
		this.#timers.set(timer, cancel);
	}

	#count(reason: string): void {
		this.counts.set(reason, (this.counts.get(reason) ?? 0) + 1);
	}
}

function fastestOf(instances: readonly InstanceConfig[]): FastHeartbeatConfig {
	const all = instances.flatMap(({ fastHeartbeat }) => fastHeartbeat ?? []);
	const [first] = all;
	if (!first) throw new Error("a heartbeat link without an instance that wants one");
	return all.reduce((best, one) => (one.intervalMs * one.missed < best.intervalMs * best.missed ? one : best), first);
}

function destinationsOf(instances: readonly InstanceConfig[]): readonly string[] {
	const all = instances.flatMap(({ transport }) =>
		transport.type === "multicast" ? [transport.group] : transport.peers.map(({ address }) => address),
	);
	return [...new Set(all)];
}

/** The key of the adverts of the lowest VRID that has one: whoever may not speak VRRP may not send heartbeats. */
function keyOf(instances: readonly InstanceConfig[]): Uint8Array | undefined {
	const sorted = [...instances].sort((a, b) => a.virtualRouterId - b.virtualRouterId);
	for (const { authentication } of sorted) if (authentication.type !== "none") return hmacKeyBytes(authentication.key);
	return undefined;
}

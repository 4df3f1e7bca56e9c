// A node's heartbeats on the wire: UDP out to those that listen to it, in from those that it listens to, and answers to control
// planes that ask. In: the nodes and their addresses, keys. Out: what it does not hear any more.

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { existsSync } from "node:fs";
import { isIPv6 } from "node:net";
import type { Cancel, Clock } from "../../../runtime/clock.ts";
import type { Log } from "../../../runtime/log.ts";
import { decodeDatagram, encodeDatagram, type Sign } from "../datagram.ts";
import {
	defaultSilenceConfig,
	initialSilence,
	type SilenceConfig,
	type SilenceEvent,
	type SilentNode,
	silentNodes,
	stepSilence,
} from "../silence-machine.ts";

/** UDP, on all machines of a mesh. */
export const heartbeatPort = 15029;

export interface HeartbeatOptions {
	readonly node: string;
	/** Of the machine. */
	readonly boot: bigint;
	/** Default 15029; 0 takes a free one. */
	readonly port?: number;
	/** The newest first; heartbeats are not sent while there is none. */
	readonly keys: () => readonly Sign[];
	readonly config?: SilenceConfig;
}

export interface HeartbeatDeps {
	readonly clock: Clock;
	readonly log: Log;
	/** All nodes that are silent now. */
	readonly onSilent: (silent: readonly SilentNode[]) => void;
	/** A control plane says that this one is lost. */
	readonly onLost?: (node: string) => void;
}

/** Another agent on this machine may have the port, an older one that is about to end. */
const bindAgainMs = 1_000;
/** A control plane says it three times; whoever recorded it may say it again. */
const lostAgainMs = 5_000;

export class NodeHeartbeats {
	readonly #options: HeartbeatOptions;
	readonly #config: SilenceConfig;
	readonly #deps: HeartbeatDeps;
	#state;
	#peers: ReadonlyMap<string, HeartbeatPeer> = new Map();
	#socket: Socket | undefined;
	#isBound = false;
	#lastSequence = 0n;
	#sent = 0;
	#received = 0;
	/** When each was last said to be lost. */
	readonly #lostAtMs = new Map<string, number>();
	#cancel: Cancel = () => {};
	#cancelBind: Cancel = () => {};
	#isClosed = false;
	/** One socket for both families, where the kernel has both. */
	readonly #hasV6 = existsSync("/proc/net/if_inet6");

	constructor(options: HeartbeatOptions, deps: HeartbeatDeps) {
		this.#options = options;
		this.#config = options.config ?? defaultSilenceConfig;
		this.#deps = deps;
		this.#state = initialSilence(options.node);
	}

	/** Resolves when the port is had, or known to be somebody else's: then it is tried again each second. */
	async open(): Promise<void> {
		await this.#bind();
		this.#tick();
	}

	/** All nodes, this one as well; by name. */
	setPeers(peers: ReadonlyMap<string, HeartbeatPeer>): void {
		this.#peers = peers;
		for (const node of this.#lostAtMs.keys()) if (!peers.has(node)) this.#lostAtMs.delete(node);
		this.#step({ type: "membersChanged", members: [...peers.keys()] });
	}

	status() {
		return {
			port: this.#isBound ? this.#socket?.address().port : undefined,
			sendsTo: this.#state.sendTo,
			listensTo: [...this.#state.listenTo],
			silent: silentNodes(this.#state, this.#deps.clock.monotonicMs()),
			sent: this.#sent,
			received: this.#received,
		};
	}

	close(): void {
		if (this.#isClosed) return;
		this.#isClosed = true;
		this.#cancel();
		this.#cancelBind();
		this.#socket?.close();
	}

	#bind(): Promise<void> {
		const { clock, log } = this.#deps;
		const port = this.#options.port ?? heartbeatPort;
		const socket = this.#hasV6 ? createSocket({ type: "udp6", ipv6Only: false }) : createSocket("udp4");
		this.#socket = socket;
		socket.on("message", (bytes, from) => this.#receive(bytes, from));
		return new Promise((resolve) => {
			socket.on("error", (error) => {
				if (this.#isBound || this.#isClosed) return;
				log.warn({ port, because: error.message }, "heartbeats: the port cannot be had, trying again");
				socket.close();
				this.#cancelBind = clock.after(bindAgainMs, () => void this.#bind());
				resolve();
			});
			socket.bind(port, () => {
				this.#isBound = true;
				resolve();
			});
		});
	}

	#tick(): void {
		if (this.#isClosed) return;
		this.#cancel = this.#deps.clock.after(this.#config.beatMs, () => this.#tick());
		this.#step({ type: "ticked", nowMs: this.#deps.clock.monotonicMs() });
	}

	#step(event: SilenceEvent): void {
		const { state, actions } = stepSilence(this.#config, this.#state, event);
		this.#state = state;
		for (const action of actions) {
			if (action.type === "beat") this.#beat(action.to);
			else this.#deps.onSilent(action.silent);
		}
	}

	#beat(to: readonly string[]): void {
		const [sign] = this.#options.keys();
		if (!sign || !this.#isBound) return;
		const { boot, node } = this.#options;
		const bytes = encodeDatagram({ type: "beat", node, boot, sequence: this.#nextSequence() }, sign);
		for (const name of to) {
			const peer = this.#peers.get(name);
			if (!peer) continue;
			this.#sent++;
			this.#send(bytes, peer.address, peer.port ?? heartbeatPort);
		}
	}

	/** By the wall clock, so that it grows over restarts; and in any case within one. */
	#nextSequence(): bigint {
		const byClock = BigInt(Math.round(this.#deps.clock.wallMs() * 1000));
		this.#lastSequence = byClock > this.#lastSequence ? byClock : this.#lastSequence + 1n;
		return this.#lastSequence;
	}

	#receive(bytes: Uint8Array, from: RemoteInfo): void {
		const keys = this.#options.keys();
		const datagram = decodeDatagram(bytes, keys);
		if (!datagram) return;
		if (datagram.type === "beat") {
			this.#received++;
			const { boot, node, sequence } = datagram;
			this.#step({ type: "heard", node, boot, sequence, nowMs: this.#deps.clock.monotonicMs() });
			return;
		}
		if (datagram.type === "lost") {
			this.#hearOfLost(datagram.node);
			return;
		}
		const { boot, node } = this.#options;
		const [sign] = keys;
		if (datagram.type !== "ask" || datagram.node !== node || !sign) return;
		this.#send(encodeDatagram({ type: "answer", node, boot, nonce: datagram.nonce }, sign), from.address, from.port);
	}

	#hearOfLost(node: string): void {
		const nowMs = this.#deps.clock.monotonicMs();
		const before = this.#lostAtMs.get(node);
		if (!this.#peers.has(node) || (before !== undefined && nowMs - before < lostAgainMs)) return;
		this.#lostAtMs.set(node, nowMs);
		this.#deps.onLost?.(node);
	}

	#send(bytes: Uint8Array, address: string, port: number): void {
		// One that does not arrive is what the others are there to notice.
		const to = this.#hasV6 && !isIPv6(address) ? `::ffff:${address}` : address;
		this.#socket?.send(bytes, port, to, () => {});
	}
}

export interface HeartbeatPeer {
	readonly address: string;
	/** Default 15029. */
	readonly port?: number;
}

// A control plane's own look at a node that others find silent. In: whom to ask. Out: an answer of its agent, which is signed; or a
// refusal of its kernel, which also answers for a machine whose agent is away. Nothing is said while nothing comes.

import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { connect, isIPv6 } from "node:net";
import type { Cancel, Clock } from "../../../runtime/clock.ts";
import { decodeDatagram, encodeDatagram, type Sign } from "../datagram.ts";
import { type HeartbeatPeer, heartbeatPort } from "./node-heartbeats.ts";

/** Where a kubelet listens. Whether one does is not asked: a refusal is as good. */
const kubeletPort = 10_250;
const connectEveryMs = 200;
const tellAgainMs = 100;

export interface ProberDeps {
	readonly clock: Clock;
	readonly keys: () => readonly Sign[];
	readonly onAnswered: (node: string, boot: bigint | undefined) => void;
}

interface Asked {
	readonly address: string;
	readonly socket: Socket;
	readonly nonces: Set<bigint>;
	connectedAtMs: number;
}

export class NodeProber {
	readonly #deps: ProberDeps;
	readonly #asked = new Map<string, Asked>();
	/** Takes answers from any address: a machine answers its own pods by that of their bridge. */
	readonly #open4 = createSocket("udp4");
	readonly #open6 = createSocket("udp6");
	/** By the node that is lost. */
	readonly #telling = new Map<string, Cancel>();
	#isClosed = false;

	constructor(deps: ProberDeps) {
		this.#deps = deps;
		for (const socket of [this.#open4, this.#open6]) {
			socket.on("message", (bytes) => this.#receive(bytes));
			socket.on("error", () => {});
			socket.unref();
		}
	}

	ask(node: string, peer: HeartbeatPeer): void {
		const known = this.#asked.get(node);
		if (known && known.address !== peer.address) this.forget(node);
		const asked = this.#asked.get(node) ?? this.#open(node, peer);
		const [sign] = this.#deps.keys();
		if (sign) {
			const nonce = randomBytes(8).readBigUInt64BE();
			asked.nonces.add(nonce);
			const [oldest] = asked.nonces;
			if (asked.nonces.size > 64 && oldest !== undefined) asked.nonces.delete(oldest);
			const bytes = encodeDatagram({ type: "ask", node, nonce }, sign);
			const open = isIPv6(peer.address) ? this.#open6 : this.#open4;
			open.send(bytes, peer.port ?? heartbeatPort, peer.address, () => {});
			// Before the socket is connected it throws; the next question goes out.
			try {
				asked.socket.send(bytes, () => {});
			} catch {}
		}
		this.#connect(node, asked);
	}

	/** Says to others that this one is lost; three times, as nobody answers. */
	tellLost(node: string, peers: readonly HeartbeatPeer[]): void {
		const [sign] = this.#deps.keys();
		if (!sign || this.#isClosed) return;
		const bytes = encodeDatagram({ type: "lost", node, nonce: randomBytes(8).readBigUInt64BE() }, sign);
		const tell = (times: number): void => {
			for (const { address, port = heartbeatPort } of peers)
				(isIPv6(address) ? this.#open6 : this.#open4).send(bytes, port, address, () => {});
			if (times > 1)
				this.#telling.set(
					node,
					this.#deps.clock.after(tellAgainMs, () => tell(times - 1)),
				);
			else this.#telling.delete(node);
		};
		this.#telling.get(node)?.();
		tell(3);
	}

	/** Nobody suspects it any more. */
	forget(node: string): void {
		this.#asked.get(node)?.socket.close();
		this.#asked.delete(node);
	}

	/** All but these. */
	keep(nodes: ReadonlySet<string>): void {
		for (const node of this.#asked.keys()) if (!nodes.has(node)) this.forget(node);
	}

	close(): void {
		this.#isClosed = true;
		for (const cancel of this.#telling.values()) cancel();
		this.keep(new Set());
		this.#open4.close();
		this.#open6.close();
	}

	#receive(bytes: Uint8Array): void {
		const datagram = decodeDatagram(bytes, this.#deps.keys());
		if (datagram?.type !== "answer" || !this.#asked.get(datagram.node)?.nonces.delete(datagram.nonce)) return;
		this.#deps.onAnswered(datagram.node, datagram.boot);
	}

	#open(node: string, { address, port = heartbeatPort }: HeartbeatPeer): Asked {
		const socket = createSocket(isIPv6(address) ? "udp6" : "udp4");
		const asked: Asked = { address, socket, nonces: new Set(), connectedAtMs: Number.NEGATIVE_INFINITY };
		const { onAnswered } = this.#deps;
		socket.on("message", (bytes) => this.#receive(bytes));
		// Only a connected socket is told that nobody listens there.
		socket.on("error", (error) => {
			if (isRefusal(error)) onAnswered(node, undefined);
		});
		socket.connect(port, address);
		this.#asked.set(node, asked);
		return asked;
	}

	#connect(node: string, asked: Asked): void {
		const { clock, onAnswered } = this.#deps;
		if (clock.monotonicMs() - asked.connectedAtMs < connectEveryMs) return;
		asked.connectedAtMs = clock.monotonicMs();
		const socket = connect({ host: asked.address, port: kubeletPort });
		const cancel = clock.after(connectEveryMs, () => socket.destroy());
		socket.once("connect", () => {
			onAnswered(node, undefined);
			socket.destroy();
		});
		socket.once("error", (error) => {
			if (isRefusal(error)) onAnswered(node, undefined);
		});
		socket.once("close", cancel);
	}
}

/** Of the machine itself; a router that finds no way says something else. */
function isRefusal(error: Error): boolean {
	return "code" in error && (error.code === "ECONNREFUSED" || error.code === "ECONNRESET");
}

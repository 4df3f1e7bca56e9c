// An idle connection to what is checked, kept for one purpose: when the other end dies, the kernel says so at once.

import type { Socket } from "node:net";

/** A connection that is closed sooner says nothing about health: that server does not like idle ones. */
const shortestLifeMs = 200;

export class Tripwire {
	readonly #onLost: () => void;
	readonly #nowMs: () => number;
	#socket: Socket | undefined;
	/** Each connection that was closed early costs so many without one. */
	#skip = 0;

	constructor(nowMs: () => number, onLost: () => void) {
		this.#nowMs = nowMs;
		this.#onLost = onLost;
	}

	/** Takes the place of the one before, which is closed without a word. */
	keep(socket: Socket): void {
		this.close();
		if (this.#skip > 0) {
			this.#skip--;
			drop(socket);
			return;
		}
		this.#socket = socket;
		const sinceMs = this.#nowMs();
		const lost = (): void => {
			if (this.#socket !== socket) return;
			this.#socket = undefined;
			drop(socket);
			if (this.#nowMs() - sinceMs < shortestLifeMs) this.#skip = 10;
			this.#onLost();
		};
		socket.setTimeout(0);
		socket.removeAllListeners();
		// Reading is what notices the end; whatever the server says is thrown away.
		socket.on("data", () => undefined);
		socket.on("error", lost);
		socket.on("end", lost);
		socket.on("close", lost);
		socket.resume();
		if (socket.destroyed || socket.readableEnded) lost();
	}

	get kept(): boolean {
		return this.#socket !== undefined;
	}

	close(): void {
		const socket = this.#socket;
		this.#socket = undefined;
		if (socket) drop(socket);
	}
}

export function drop(socket: Socket): void {
	socket.removeAllListeners();
	socket.on("error", () => undefined);
	socket.destroy();
}

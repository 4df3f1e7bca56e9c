// How many TLS handshakes one address may have under way, so that a client that begins many and ends none does not take
// every place. Server sockets in, yes or no out.

import type { Socket } from "node:net";

export class HandshakeLimit {
	readonly #most: number;
	readonly #byAddress = new Map<string, number>();
	readonly #addressOf = new Map<string, string>();

	constructor(most: number) {
		this.#most = most;
	}

	/** False: too many; the caller is to end the connection. */
	begin(socket: Socket): boolean {
		const { remoteAddress: address = "unknown" } = socket;
		const underWay = this.#byAddress.get(address) ?? 0;
		if (underWay >= this.#most) return false;
		this.#byAddress.set(address, underWay + 1);
		const connection = nameOf(socket);
		this.#addressOf.set(connection, address);
		socket.once("close", () => this.#forget(connection));
		return true;
	}

	/** The TLS layer's socket, which is another object than the one that began, on the same ports. */
	end(socket: Socket): void {
		this.#forget(nameOf(socket));
	}

	#forget(connection: string): void {
		const address = this.#addressOf.get(connection);
		if (address === undefined) return;
		this.#addressOf.delete(connection);
		const left = (this.#byAddress.get(address) ?? 1) - 1;
		if (left > 0) this.#byAddress.set(address, left);
		else this.#byAddress.delete(address);
	}
}

const nameOf = ({ localAddress, localPort, remoteAddress, remotePort }: Socket): string =>
	`${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;

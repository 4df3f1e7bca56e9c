// Sends frames about who has an address, by one packet socket for all interfaces. In: link, frame. Out: sent, or why not.

import type { AnnounceOptions, LinkState, Outcome } from "../host-network.ts";
import { AF_PACKET, MSG_DONTWAIT, SO_PRIORITY, SOCK_RAW, SOL_SOCKET, TC_PRIO_CONTROL } from "./abi/socket.ts";
import { arpProbe, gratuitousArp, neighbourAdvert, neighbourProbe } from "./announce-frames.ts";
import { addressBytes } from "./ip-text.ts";
import { errorNumber, libc } from "./libc.ts";
import { macBytes } from "./link-messages.ts";
import type { RunInside } from "./network-namespace.ts";
import { packetSocketAddress } from "./socket-address.ts";
import { openSocket } from "./socket-options.ts";
import { systemFailure } from "./system-error.ts";

export class Announcer {
	readonly #inside: RunInside;
	#fd: number | undefined;

	constructor(inside: RunInside) {
		this.#inside = inside;
	}

	announce(link: LinkState, address: string, isRouter: boolean, options: AnnounceOptions = {}): Outcome {
		const mac = macBytes(options.mac ?? link.mac);
		if (!mac) return noMac(link);
		const bytes = addressBytes(address);
		const frame =
			bytes.length === 4 ? gratuitousArp(mac, bytes, options.form ?? "request") : neighbourAdvert(mac, bytes, isRouter);
		return this.#send(link, frame, `announcing ${address} on ${link.name}`);
	}

	probe(link: LinkState, address: string): Outcome {
		const mac = macBytes(link.mac);
		if (!mac) return noMac(link);
		const bytes = addressBytes(address);
		const frame = bytes.length === 4 ? arpProbe(mac, bytes) : neighbourProbe(mac, bytes);
		return this.#send(link, frame, `asking for ${address} on ${link.name}`);
	}

	close(): void {
		if (this.#fd !== undefined) libc.close(this.#fd);
		this.#fd = undefined;
	}

	#send(link: LinkState, frame: Buffer, what: string): Outcome {
		if (this.#fd === undefined) {
			// Protocol 0: it only sends.
			const opened = this.#inside(() =>
				openSocket({
					what: "the packet socket",
					family: AF_PACKET,
					type: SOCK_RAW,
					protocol: 0,
					options: [[SOL_SOCKET, SO_PRIORITY, TC_PRIO_CONTROL]],
				}),
			);
			if (!opened.ok) return opened;
			this.#fd = opened.value;
		}
		const to = packetSocketAddress(0, link.index);
		if (libc.sendto(this.#fd, frame, frame.length, MSG_DONTWAIT, to, to.length) >= 0)
			return { ok: true, changed: true };
		return systemFailure(errorNumber(), what);
	}
}

function noMac(link: LinkState): Outcome {
	return {
		ok: false,
		because: "unsupported",
		message: `${link.name} has no MAC address, so nothing is announced on it`,
	};
}

// Who sent adverts for one instance: what the configuration says of that address, and what was learned from its packets.

import type { InstanceConfig, VrrpTransport } from "../vip-config.ts";
import { equalBytes } from "./authentication-header.ts";
import { compareIpAddresses, ipAddressBytes } from "./ip-address.ts";

export type ChecksumForm = InstanceConfig["checksum3"];

export interface Sender {
	readonly address: Uint8Array;
	/** Than the own address. */
	readonly isHigher: boolean;
	readonly isPeer: boolean;
	readonly minTtl: number;
	readonly maxTtl: number;
	/** Learned from its first good packet of version 3 over IPv4. */
	checksumForm: ChecksumForm | undefined;
}

/** Strangers are forgotten when so many were seen: a flood of made-up sources must not fill the memory. */
const mostSenders = 64;

export class AdvertSenders {
	readonly #transport: VrrpTransport;
	readonly #own: Uint8Array;
	readonly #senders = new Map<string, Sender>();

	constructor(transport: VrrpTransport, own: Uint8Array) {
		this.#transport = transport;
		this.#own = own;
	}

	known(source: string): Sender | undefined {
		return this.#senders.get(source);
	}

	/** Undefined for an address of the other family. */
	find(source: string): Sender | undefined {
		const known = this.#senders.get(source);
		if (known) return known;
		const address = ipAddressBytes(source);
		if (address?.length !== this.#own.length) return undefined;
		const peer = this.#peerAt(address);
		const sender: Sender = {
			address,
			isHigher: compareIpAddresses(address, this.#own) > 0,
			isPeer: peer !== undefined,
			minTtl: peer?.minTtl ?? 0,
			maxTtl: peer?.maxTtl ?? 255,
			checksumForm: undefined,
		};
		if (this.#senders.size >= mostSenders) this.#forgetStrangers();
		this.#senders.set(source, sender);
		return sender;
	}

	#peerAt(address: Uint8Array): { readonly minTtl?: number; readonly maxTtl?: number } | undefined {
		if (this.#transport.type === "multicast") return undefined;
		return this.#transport.peers.find((peer) => {
			const bytes = ipAddressBytes(peer.address);
			return bytes !== undefined && equalBytes(bytes, address);
		});
	}

	#forgetStrangers(): void {
		for (const [source, sender] of this.#senders) if (!sender.isPeer) this.#senders.delete(source);
	}
}

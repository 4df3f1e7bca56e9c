// Adverts to bytes and back for one instance. In: the instance's configuration, this machine's address, packets with what the
// socket knows of them. Out: an advert, or the one reason why it was dropped. RFC 3768 (version 2, with the authentication of
// RFC 2338 as keepalived keeps it), RFC 9568 (version 3). Hashes are given by the caller.

import type { InstanceConfig } from "../vip-config.ts";
import {
	type Advert,
	type AdvertNote,
	authenticationHeaderBytes,
	authenticationHeaderProtocol,
	type DecodedAdvert,
	type ReceivedPacket,
	vrrpProtocol,
} from "./advert.ts";
import { headerBytes, intervalOf, isPadded, passwordBytes } from "./advert-layout.ts";
import { AdvertSenders, type ChecksumForm, type Sender } from "./advert-senders.ts";
import { authenticatedDatagram, equalBytes, type Hmac, verifiedSequence } from "./authentication-header.ts";
import type { DropReason } from "./drop-reason.ts";
import { HmacTrailer, hmacTrailerBytes } from "./hmac-trailer.ts";
import { hmacTrailerConfig } from "./hmac-trailer-config.ts";
import { checksumOfSum, pseudoHeaderSum, sumOfWords } from "./internet-checksum.ts";
import { ipAddressBytes, isMulticastAddress } from "./ip-address.ts";

export interface Hashes {
	readonly hmacMd5: Hmac;
	readonly hmacSha256: Hmac;
}

const authTypes = { none: 0, pass: 1, ah: 2, hmac: 0 } as const;
const noNotes: readonly AdvertNote[] = [];

interface Encoded {
	readonly priority: number;
	readonly intervalMs: number;
	readonly bytes: Uint8Array;
}

/** Made once for an instance and its source address; remembers what it learned of each sender. */
export class AdvertCodec {
	readonly #config: InstanceConfig;
	readonly #own: Uint8Array;
	readonly #hashes: Hashes;
	readonly #addresses: Uint8Array;
	/** 8 bytes, padded with zeros. */
	readonly #password: Uint8Array;
	readonly #trailer: HmacTrailer | undefined;
	readonly #addressBytes: number;
	readonly #senders: AdvertSenders;
	/** The last packet for each destination; adverts seldom change. */
	readonly #encoded = new Map<string, Encoded>();
	/** Of AH, one for all routers of the VRID, as keepalived has it: a new master goes on from the last one heard. */
	#ahSequence: number;
	#ipId = 0;

	/**
	 * Throws on an address of another family than the instance's: the configuration was to be checked before. `before` is the
	 * codec of the configuration that this one replaces: sequences go on from there, as others drop what does not grow.
	 */
	constructor(config: InstanceConfig, ownAddress: string, hashes: Hashes, before?: AdvertCodec) {
		this.#config = config;
		this.#hashes = hashes;
		this.#addressBytes = config.family === "ipv4" ? 4 : 16;
		this.#own = this.#bytesOf(ownAddress);
		this.#senders = new AdvertSenders(config.transport, this.#own);
		this.#addresses = new Uint8Array(config.addresses.length * this.#addressBytes);
		for (const [index, { address }] of config.addresses.entries())
			this.#addresses.set(this.#bytesOf(address), index * this.#addressBytes);
		const { authentication } = config;
		this.#password = new Uint8Array(passwordBytes);
		if (authentication.type === "pass" || authentication.type === "ah")
			this.#password.set(new TextEncoder().encode(authentication.key).subarray(0, passwordBytes));
		if (authentication.type === "hmac")
			this.#trailer = new HmacTrailer(
				hmacTrailerConfig(authentication, config.advertIntervalMs),
				hashes.hmacSha256,
				before ? before.#trailer : undefined,
			);
		this.#ahSequence = before ? before.#ahSequence : 0;
	}

	/** With AH the bytes begin with the IPv4 header, for a socket with IP_HDRINCL. */
	get includesIpHeader(): boolean {
		return this.#config.authentication.type === "ah" && this.#config.version === 2;
	}

	/** The checksum form that a sender of version 3 over IPv4 was heard with. */
	checksumFormOf(source: string): ChecksumForm | undefined {
		return this.#senders.known(source)?.checksumForm;
	}

	/** The packet for a destination (a group or a peer). The bytes may be the same array as of the call before. */
	encode(advert: Advert, destination: string, wallMs: number): Uint8Array {
		const last = this.#encoded.get(destination);
		const repeats = last?.priority === advert.priority && last.intervalMs === advert.intervalMs;
		if (last && repeats && !this.#trailer && !this.includesIpHeader) return last.bytes;
		const to = this.#bytesOf(destination);
		const message = this.#message(advert);
		this.#trailer?.sign(message, this.#binding(this.#own), wallMs);
		this.#putChecksum(message, to);
		const bytes = this.includesIpHeader ? this.#authenticated(message, to) : message;
		this.#encoded.set(destination, { ...advert, bytes });
		return bytes;
	}

	decode(packet: ReceivedPacket, wallMs: number): DecodedAdvert {
		const sender = this.#senders.find(packet.source);
		if (!sender) return drop("family_err");
		const because = this.#check(packet, sender, wallMs);
		if (because) return drop(because);
		const { payload } = packet;
		const start = this.#start();
		const intervalMs = intervalOf(payload, start, this.#config.version);
		return {
			ok: true,
			advert: {
				priority: payload[start + 2] ?? 0,
				intervalMs,
				sourceIsHigher: sender.isHigher,
				notes: this.#notes(packet, start, intervalMs, sender),
			},
		};
	}

	#check(packet: ReceivedPacket, sender: Sender, wallMs: number): DropReason | undefined {
		const { payload } = packet;
		const { version, virtualRouterId } = this.#config;
		if (packet.family !== this.#config.family) return "family_err";
		if (equalBytes(sender.address, this.#own)) return "own_source";
		if (packet.protocol !== vrrpProtocol && packet.protocol !== authenticationHeaderProtocol) return "ip_proto_err";
		if ((packet.protocol === authenticationHeaderProtocol) !== this.includesIpHeader) return "authtype_mismatch";
		const start = this.#start();
		if (payload.length < start + headerBytes) return "packet_len_err";
		const first = payload[start] ?? 0;
		if (first >> 4 !== version) return "vers_err";
		if ((first & 15) !== 1) return "invalid_type_rcvd";
		if (payload[start + 1] !== virtualRouterId) return "vrid_err";
		const messageBytes = headerBytes + this.#addressBytes * (payload[start + 3] ?? 0) + this.#passwordLength();
		const trailer = this.#trailerAt(payload, start + messageBytes);
		const expected = start + messageBytes + (trailer ? hmacTrailerBytes : 0);
		if (payload.length !== expected && !isPadded(payload.length, expected, packet.family)) return "packet_len_err";
		return (
			this.#checkPath(packet, sender) ??
			(payload[start + 3] === 0 ? "addr_count_err" : undefined) ??
			(this.#hasRightChecksum(packet, sender, start, messageBytes, expected) ? undefined : "chk_err") ??
			this.#checkTrailer(payload.subarray(start, expected), trailer, packet.source, sender, wallMs) ??
			(version === 2
				? this.#checkVersion2(packet, start, messageBytes)
				: intervalOf(payload, start, 3) === 0
					? "advert_interval_zero"
					: undefined)
		);
	}

	/** How it came here: multicast or unicast, over how many routers, from whom. */
	#checkPath(packet: ReceivedPacket, sender: Sender): DropReason | undefined {
		const { transport } = this.#config;
		const multicast = isMulticastText(packet.destination);
		if (multicast !== (transport.type === "multicast")) return "unicast_multicast_err";
		if (transport.type === "multicast") return packet.ttl === 255 || packet.ttl === -1 ? undefined : "ip_ttl_err";
		if (transport.checkSource && !sender.isPeer) return "unknown_peer";
		if (packet.ttl !== -1 && (packet.ttl < sender.minTtl || packet.ttl > sender.maxTtl)) return "ip_ttl_err";
		return undefined;
	}

	#checkVersion2(packet: ReceivedPacket, start: number, messageBytes: number): DropReason | undefined {
		const { payload } = packet;
		const { authentication, advertIntervalMs } = this.#config;
		const authType = payload[start + 4] ?? 0;
		if (authType > 2) return "invalid_authtype";
		if (authType !== authTypes[authentication.type]) return "authtype_mismatch";
		const password = payload.subarray(start + messageBytes - passwordBytes, start + messageBytes);
		if (authentication.type === "pass" && !equalBytes(password, this.#password)) return "auth_failure";
		if (authentication.type === "ah" && !this.#isAuthenticated(packet, start + messageBytes)) return "auth_failure";
		return intervalOf(payload, start, 2) === advertIntervalMs ? undefined : "advert_interval_err";
	}

	#isAuthenticated(packet: ReceivedPacket, length: number): boolean {
		if (!packet.ipHeader) return false;
		const sequence = verifiedSequence(
			{
				ipHeader: packet.ipHeader,
				payload: packet.payload.subarray(0, length),
				unicast: this.#config.transport.type === "unicast",
				key: this.#password,
			},
			this.#hashes.hmacMd5,
		);
		if (sequence === undefined || sequence <= this.#ahSequence) return false;
		this.#ahSequence = sequence;
		return true;
	}

	#checkTrailer(
		packet: Uint8Array,
		present: boolean,
		source: string,
		sender: Sender,
		wallMs: number,
	): DropReason | undefined {
		if (!this.#trailer) return undefined;
		if (present) return this.#trailer.verify(packet, this.#binding(sender.address), source, wallMs);
		return this.#trailer.mode === "permissive" ? undefined : "auth_ext_missing";
	}

	#trailerAt(payload: Uint8Array, end: number): boolean {
		return this.#trailer !== undefined && payload.length === end + hmacTrailerBytes;
	}

	#hasRightChecksum(packet: ReceivedPacket, sender: Sender, start: number, messageBytes: number, end: number): boolean {
		const { payload } = packet;
		if (packet.family === "ipv6") {
			const destination = ipAddressBytes(packet.destination);
			const length = end - start;
			if (!destination) return false;
			const pseudo = pseudoHeaderSum(sender.address, destination, length, vrrpProtocol);
			return checksumOfSum(pseudo + sumOfWords(payload, start, end)) === 0;
		}
		const sum = sumOfWords(payload, start, start + messageBytes);
		if (this.#config.version === 2) return checksumOfSum(sum) === 0;
		const form = this.#checksumForm(packet, sender, sum, messageBytes);
		return form !== undefined;
	}

	#checksumForm(packet: ReceivedPacket, sender: Sender, sum: number, length: number): ChecksumForm | undefined {
		if (checksumOfSum(sum) === 0) return "messageOnly";
		const destination = ipAddressBytes(packet.destination);
		if (!destination) return undefined;
		const pseudo = pseudoHeaderSum(sender.address, destination, length, vrrpProtocol);
		return checksumOfSum(sum + pseudo) === 0 ? "pseudoHeader" : undefined;
	}

	#notes(packet: ReceivedPacket, start: number, intervalMs: number, sender: Sender): readonly AdvertNote[] {
		const { config, payload } = { config: this.#config, payload: packet.payload };
		let notes: AdvertNote[] | undefined;
		if (config.checkAddresses && !this.#hasOwnAddresses(payload, start)) notes = ["addr_list_err"];
		if (config.version === 3 && intervalMs !== config.advertIntervalMs)
			notes = [...(notes ?? []), "advert_interval_differs"];
		if (config.version === 3 && config.family === "ipv4" && sender.checksumForm === undefined) {
			const end = start + headerBytes + 4 * (payload[start + 3] ?? 0);
			sender.checksumForm = this.#checksumForm(packet, sender, sumOfWords(payload, start, end), end - start);
			notes = [...(notes ?? []), "checksum_form_learned"];
		}
		return notes ?? noNotes;
	}

	/** The same addresses; their order does not matter. */
	#hasOwnAddresses(payload: Uint8Array, start: number): boolean {
		const size = this.#addressBytes;
		const from = start + headerBytes;
		if ((payload[start + 3] ?? 0) * size !== this.#addresses.length) return false;
		const theirs = payload.subarray(from, from + this.#addresses.length);
		if (equalBytes(theirs, this.#addresses)) return true;
		for (let own = 0; own < this.#addresses.length; own += size) {
			let found = false;
			for (let at = 0; at < theirs.length && !found; at += size)
				found = equalBytes(theirs.subarray(at, at + size), this.#addresses.subarray(own, own + size));
			if (!found) return false;
		}
		return true;
	}

	#message(advert: Advert): Uint8Array {
		const { version, virtualRouterId, authentication } = this.#config;
		const trailer = this.#trailer ? hmacTrailerBytes : 0;
		const message = new Uint8Array(headerBytes + this.#addresses.length + this.#passwordLength() + trailer);
		message[0] = (version << 4) | 1;
		message[1] = virtualRouterId;
		message[2] = advert.priority;
		message[3] = this.#addresses.length / this.#addressBytes;
		if (version === 2) {
			message[4] = authTypes[authentication.type];
			message[5] = Math.round(advert.intervalMs / 1000);
		} else {
			const centiseconds = Math.round(advert.intervalMs / 10);
			message[4] = (centiseconds >> 8) & 15;
			message[5] = centiseconds & 255;
		}
		message.set(this.#addresses, headerBytes);
		if (version === 2 && authentication.type === "pass")
			message.set(this.#password, headerBytes + this.#addresses.length);
		return message;
	}

	#putChecksum(message: Uint8Array, destination: Uint8Array): void {
		const { family, version, checksum3 } = this.#config;
		// Over IPv6 the checksum covers a trailer as well, over IPv4 the message alone.
		const end = message.length - (this.#trailer && family === "ipv4" ? hmacTrailerBytes : 0);
		const pseudo = family === "ipv6" || (version === 3 && checksum3 === "pseudoHeader");
		const sum = pseudo ? pseudoHeaderSum(this.#own, destination, end, vrrpProtocol) : 0;
		const checksum = checksumOfSum(sum + sumOfWords(message, 0, end));
		message[6] = checksum >> 8;
		message[7] = checksum & 255;
	}

	#authenticated(message: Uint8Array, destination: Uint8Array): Uint8Array {
		const { transport } = this.#config;
		this.#ipId = (this.#ipId % 65_535) + 1;
		this.#ahSequence++;
		return authenticatedDatagram(
			{
				source: this.#own,
				destination,
				unicast: transport.type === "unicast",
				ttl: transport.type === "unicast" ? transport.ttl : 255,
				id: this.#ipId,
				sequence: this.#ahSequence,
				message,
				key: this.#password,
			},
			this.#hashes.hmacMd5,
		);
	}

	#binding(source: Uint8Array): Parameters<HmacTrailer["sign"]>[1] {
		const { family, version, virtualRouterId } = this.#config;
		return { family, version, virtualRouterId, source };
	}

	#start(): number {
		return this.includesIpHeader ? authenticationHeaderBytes : 0;
	}

	#passwordLength(): number {
		return this.#config.version === 2 ? passwordBytes : 0;
	}

	#bytesOf(address: string): Uint8Array {
		const bytes = ipAddressBytes(address);
		if (bytes?.length !== this.#addressBytes) throw new Error(`${address} is no ${this.#config.family} address`);
		return bytes;
	}
}

function drop(because: DropReason): DecodedAdvert {
	return { ok: false, because };
}

function isMulticastText(address: string): boolean {
	const bytes = ipAddressBytes(address);
	return bytes !== undefined && isMulticastAddress(bytes);
}

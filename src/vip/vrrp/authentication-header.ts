// The IPsec authentication header in front of a version 2 advert (auth_type AH): HMAC-MD5 over the IPv4 packet, cut to 96 bits.
// As keepalived has it: TOS, fragment and checksum count as 0, the TTL as well with unicast; the SPI is the source address;
// the key is the password of 8 bytes. RFC 2402, RFC 2403. The hash is given by the caller.

import { authenticationHeaderBytes, vrrpProtocol } from "./advert.ts";
import { checksumOfSum, sumOfWords } from "./internet-checksum.ts";

export type Hmac = (key: Uint8Array, message: Uint8Array) => Uint8Array;

const icvBytes = 12;
const ipHeaderBytes = 20;

export interface AuthenticatedDatagram {
	readonly source: Uint8Array;
	readonly destination: Uint8Array;
	readonly unicast: boolean;
	readonly ttl: number;
	/** IP identification, 1 to 65,535. */
	readonly id: number;
	readonly sequence: number;
	readonly message: Uint8Array;
	readonly key: Uint8Array;
}

/** A whole IPv4 packet, header included, for a socket with IP_HDRINCL: the hash covers fields of the IP header. */
export function authenticatedDatagram(datagram: AuthenticatedDatagram, hmacMd5: Hmac): Uint8Array {
	const packet = new Uint8Array(ipHeaderBytes + authenticationHeaderBytes + datagram.message.length);
	const view = new DataView(packet.buffer);
	view.setUint16(0, 0x45c0);
	view.setUint16(2, packet.length);
	view.setUint16(4, datagram.id);
	view.setUint16(8, (datagram.ttl << 8) | 51);
	packet.set(datagram.source, 12);
	packet.set(datagram.destination, 16);
	packet[20] = vrrpProtocol;
	packet[21] = 4;
	packet.set(datagram.source, 24);
	view.setUint32(28, datagram.sequence);
	packet.set(datagram.message, ipHeaderBytes + authenticationHeaderBytes);
	packet.set(integrityValue(packet, ipHeaderBytes, datagram.unicast, datagram.key, hmacMd5), 32);
	view.setUint16(10, checksumOfSum(sumOfWords(packet, 0, ipHeaderBytes)));
	return packet;
}

/** The sequence number of a packet whose header is right, else undefined. `payload` begins with the authentication header. */
export function verifiedSequence(
	packet: {
		readonly ipHeader: Uint8Array;
		readonly payload: Uint8Array;
		readonly unicast: boolean;
		readonly key: Uint8Array;
	},
	hmacMd5: Hmac,
): number | undefined {
	const { ipHeader, payload } = packet;
	if (ipHeader.length < ipHeaderBytes || payload[0] !== vrrpProtocol) return undefined;
	for (let index = 0; index < 4; index++) if (payload[4 + index] !== ipHeader[12 + index]) return undefined;
	const whole = new Uint8Array(ipHeader.length + payload.length);
	whole.set(ipHeader);
	whole.set(payload, ipHeader.length);
	const expected = integrityValue(whole, ipHeader.length, packet.unicast, packet.key, hmacMd5);
	if (!equalBytes(expected, payload.subarray(12, 12 + icvBytes))) return undefined;
	return new DataView(payload.buffer, payload.byteOffset).getUint32(8);
}

/** Compares all bytes whatever they are, so that time tells nothing. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
	if (a.length !== b.length) return false;
	let difference = 0;
	for (let index = 0; index < a.length; index++) difference |= (a[index] ?? 0) ^ (b[index] ?? 0);
	return difference === 0;
}

function integrityValue(
	packet: Uint8Array,
	headerBytes: number,
	unicast: boolean,
	key: Uint8Array,
	hmacMd5: Hmac,
): Uint8Array {
	const covered = packet.slice();
	covered[1] = 0;
	covered.fill(0, 6, 8);
	if (unicast) covered[8] = 0;
	covered.fill(0, 10, 12);
	covered.fill(0, headerBytes + 12, headerBytes + 12 + icvBytes);
	return hmacMd5(key, covered).subarray(0, icvBytes);
}

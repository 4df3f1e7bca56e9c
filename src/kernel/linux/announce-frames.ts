// Ethernet frames about who has an address. In: MACs and addresses as bytes. Out: whole frames. RFC 826, RFC 5227 (ARP);
// RFC 4861, RFC 4862 (neighbour discovery).

import { ETH_P_ARP, ETH_P_IPV6 } from "./abi/packet.ts";

const broadcast = Uint8Array.of(255, 255, 255, 255, 255, 255);
const allNodes = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
const allNodesMac = Uint8Array.of(0x33, 0x33, 0, 0, 0, 1);
const arpBytes = 42;
const request = 1;
const reply = 2;
const icmpv6 = 58;
const neighbourSolicitation = 135;
const neighbourAdvertisement = 136;
const routerFlag = 0x80;
const overrideFlag = 0x20;

/** To everybody: "`address` is at `mac`". The target's hardware address is all ones, as keepalived sends it. */
export function gratuitousArp(mac: Uint8Array, address: Uint8Array, form: "request" | "reply"): Buffer {
	return arpFrame(mac, form === "reply" ? reply : request, address, broadcast, address);
}

/** To everybody: "who has `address`?", from nobody, so that no cache learns from it. */
export function arpProbe(mac: Uint8Array, address: Uint8Array): Buffer {
	return arpFrame(mac, request, new Uint8Array(4), new Uint8Array(6), address);
}

/** To all nodes: "`address` is at `mac`", overriding what they knew. */
export function neighbourAdvert(mac: Uint8Array, address: Uint8Array, isRouter: boolean): Buffer {
	const message = Buffer.alloc(32);
	message[0] = neighbourAdvertisement;
	message[4] = (isRouter ? routerFlag : 0) | overrideFlag;
	message.set(address, 8);
	// Option 2: target link-layer address, one unit of 8 bytes.
	message[24] = 2;
	message[25] = 1;
	message.set(mac, 26);
	return icmpv6Frame(mac, allNodesMac, address, allNodes, message);
}

/** To the group of those who may have it: "who has `address`?", from nobody. */
export function neighbourProbe(mac: Uint8Array, address: Uint8Array): Buffer {
	const message = Buffer.alloc(24);
	message[0] = neighbourSolicitation;
	message.set(address, 8);
	const group = Uint8Array.of(0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, ...address.subarray(13));
	const groupMac = Uint8Array.of(0x33, 0x33, ...group.subarray(12));
	return icmpv6Frame(mac, groupMac, new Uint8Array(16), group, message);
}

function arpFrame(
	mac: Uint8Array,
	operation: number,
	sender: Uint8Array,
	targetMac: Uint8Array,
	target: Uint8Array,
): Buffer {
	const frame = Buffer.alloc(arpBytes);
	frame.set(broadcast, 0);
	frame.set(mac, 6);
	frame.writeUInt16BE(ETH_P_ARP, 12);
	frame.writeUInt16BE(1, 14);
	frame.writeUInt16BE(0x0800, 16);
	frame[18] = 6;
	frame[19] = 4;
	frame.writeUInt16BE(operation, 20);
	frame.set(mac, 22);
	frame.set(sender, 28);
	frame.set(targetMac, 32);
	frame.set(target, 38);
	return frame;
}

function icmpv6Frame(
	mac: Uint8Array,
	toMac: Uint8Array,
	source: Uint8Array,
	destination: Uint8Array,
	message: Buffer,
): Buffer {
	const frame = Buffer.alloc(14 + 40 + message.length);
	frame.set(toMac, 0);
	frame.set(mac, 6);
	frame.writeUInt16BE(ETH_P_IPV6, 12);
	frame[14] = 0x60;
	frame.writeUInt16BE(message.length, 18);
	frame[20] = icmpv6;
	frame[21] = 255;
	frame.set(source, 22);
	frame.set(destination, 38);
	frame.set(message, 54);
	frame.writeUInt16BE(icmpv6Checksum(frame), 56);
	return frame;
}

/** RFC 4443 section 2.3: over the addresses, length, protocol and message. */
function icmpv6Checksum(frame: Buffer): number {
	let sum = frame.length - 54 + icmpv6;
	for (let offset = 22; offset < frame.length; offset += 2) sum += frame.readUInt16BE(offset);
	while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

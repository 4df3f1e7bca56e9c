// An advertisement as the machine knows it, and a packet as the socket gives it. RFC 3768, RFC 9568.

import type { DropReason } from "./drop-reason.ts";

/** What a master says. */
export interface Advert {
	/** 0 to 255; 0: "I let go". */
	readonly priority: number;
	readonly intervalMs: number;
}

/** An advert of another router that passed every check. */
export interface ReceivedAdvert extends Advert {
	/** The sender's address is higher than the own one: it wins when priorities are equal. */
	readonly sourceIsHigher: boolean;
	/** Worth counting, and not worth dropping. */
	readonly notes: readonly AdvertNote[];
}

/** `addr_list_err`: other addresses than ours. `advert_interval_differs`: version 3 with another interval, which is learned. */
export type AdvertNote = "addr_list_err" | "advert_interval_differs" | "checksum_form_learned";

export type DecodedAdvert =
	| { readonly ok: true; readonly advert: ReceivedAdvert }
	| { readonly ok: false; readonly because: DropReason };

/** What a raw socket knows about a packet. */
export interface ReceivedPacket {
	readonly family: "ipv4" | "ipv6";
	readonly source: string;
	readonly destination: string;
	/** TTL or hop limit; -1 where the socket could not tell, which passes. */
	readonly ttl: number;
	/** 112, or 51 with an authentication header in front. */
	readonly protocol: number;
	/** All that follows the IP header, padding of the Ethernet frame included. */
	readonly payload: Uint8Array;
	/** The IPv4 header itself. Only needed to verify AH. */
	readonly ipHeader?: Uint8Array;
}

export const vrrpProtocol = 112;
export const authenticationHeaderProtocol = 51;
export const authenticationHeaderBytes = 24;

/** The VRID that a packet is for, so that its instance can be found; or why it is nobody's. */
export function virtualRouterIdOf(packet: ReceivedPacket): number | DropReason {
	if (packet.protocol !== vrrpProtocol && packet.protocol !== authenticationHeaderProtocol) return "ip_proto_err";
	const start = packet.protocol === authenticationHeaderProtocol ? authenticationHeaderBytes : 0;
	if (packet.payload.length < start + 8) return "packet_len_err";
	return packet.payload[start + 1] || "vrid_err";
}

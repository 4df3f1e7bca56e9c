// Raw sockets for VRRP on one interface: one hears the packets of all VRIDs, one sends from a fixed source. IPv4 gives its header
// with each packet; IPv6 gives source, destination and hop limit beside it (RFC 3542).

import type { Cancel } from "../../runtime/clock.ts";
import { authenticationHeaderProtocol, vrrpProtocol } from "../../vip/vrrp/advert.ts";
import type { Opened, Outcome, VrrpPacket, VrrpSocket, VrrpSocketOptions } from "../host-network.ts";
import type { RealTimeLoop } from "../real-time-loop.ts";
import * as abi from "./abi/socket.ts";
import { addressBytes } from "./ip-text.ts";
import { errorNumber, libc } from "./libc.ts";
import { monotonicUs } from "./monotonic-us.ts";
import { attachFilter, drop } from "./packet-filter.ts";
import { receivedPacketReader } from "./received-packet.ts";
import { internetSocketAddress } from "./socket-address.ts";
import { openSocket, type SocketOption } from "./socket-options.ts";
import { systemFailure } from "./system-error.ts";

/** What the caller has looked up. */
export interface VrrpSocketPlace {
	readonly interfaceIndex: number;
	readonly source: string;
	readonly loop: RealTimeLoop | undefined;
}

/** After so many packets at once other work has its turn. */
const mostAtOnce = 64;
const sent: Outcome = { ok: true, changed: true };

export function openVrrpSocket(
	options: VrrpSocketOptions,
	place: VrrpSocketPlace,
	onPacket: (packet: VrrpPacket) => void,
): Opened<VrrpSocket> {
	const receiver = openReceiver(options, place);
	if (!receiver.ok) return receiver;
	const sender = openSender(options, place);
	if (!sender.ok) {
		libc.close(receiver.value);
		return sender;
	}
	const protocol = options.authenticationHeader ? authenticationHeaderProtocol : vrrpProtocol;
	const read = receivedPacketReader(receiver.value, options.family, protocol);
	const unwatch: Cancel | undefined = place.loop?.watchReadable(receiver.value, () => {
		for (let count = 0; count < mostAtOnce; count++) {
			const packet = read(monotonicUs());
			if (!packet) return;
			onPacket(packet);
		}
	});
	const destinations = new Map<string, Buffer>();
	return {
		ok: true,
		value: {
			source: place.source,
			send: (bytes, to) => {
				let destination = destinations.get(to);
				if (!destination) {
					destination = internetSocketAddress(to, 0, place.interfaceIndex);
					destinations.set(to, destination);
				}
				if (libc.sendto(sender.value, bytes, bytes.length, abi.MSG_DONTWAIT, destination, destination.length) >= 0)
					return sent;
				return systemFailure(errorNumber(), `VRRP to ${to} on ${options.interface}`);
			},
			close: () => {
				unwatch?.();
				libc.close(receiver.value);
				libc.close(sender.value);
			},
		},
	};
}

function openReceiver(options: VrrpSocketOptions, place: VrrpSocketPlace): Opened<number> {
	const isIpv4 = options.family === "ipv4";
	const { transport } = options;
	const group: SocketOption[] =
		transport.type === "unicast"
			? []
			: isIpv4
				? [[abi.IPPROTO_IP, abi.IP_ADD_MEMBERSHIP, ipMreqn(transport.group, place.interfaceIndex)]]
				: [[abi.IPPROTO_IPV6, abi.IPV6_ADD_MEMBERSHIP, ipv6Mreq(transport.group, place.interfaceIndex)]];
	const details: readonly SocketOption[] = isIpv4
		? [[abi.IPPROTO_IP, abi.IP_MULTICAST_ALL, 0]]
		: [
				[abi.IPPROTO_IPV6, abi.IPV6_MULTICAST_ALL, 0],
				[abi.IPPROTO_IPV6, abi.IPV6_RECVPKTINFO, 1],
				[abi.IPPROTO_IPV6, abi.IPV6_RECVHOPLIMIT, 1],
			];
	return openSocket({
		what: `the VRRP socket on ${options.interface}`,
		...kindOf(options),
		options: [[abi.SOL_SOCKET, abi.SO_BINDTODEVICE, Buffer.from(`${options.interface}\0`)], ...details, ...group],
	});
}

/** Hears nothing: its queue would fill with packets that nobody reads. */
function openSender(options: VrrpSocketOptions, place: VrrpSocketPlace): Opened<number> {
	const device = options.transport.type === "multicast" ? options.interface : undefined;
	const ttl = options.ttl ?? 255;
	const index = Buffer.alloc(4);
	index.writeInt32LE(place.interfaceIndex);
	const ip: readonly SocketOption[] =
		options.family === "ipv4"
			? [
					[abi.IPPROTO_IP, abi.IP_FREEBIND, 1],
					[abi.IPPROTO_IP, abi.IP_TOS, abi.IPTOS_PREC_INTERNETCONTROL],
					[abi.IPPROTO_IP, abi.IP_TTL, ttl],
					[abi.IPPROTO_IP, abi.IP_MULTICAST_TTL, ttl],
					[abi.IPPROTO_IP, abi.IP_MULTICAST_LOOP, 0],
					[abi.IPPROTO_IP, abi.IP_MULTICAST_IF, ipMreqn("0.0.0.0", place.interfaceIndex)],
					// Without "don't fragment", as keepalived sends it.
					[abi.IPPROTO_IP, abi.IP_MTU_DISCOVER, abi.IP_PMTUDISC_DONT],
					[abi.IPPROTO_IP, abi.IP_HDRINCL, options.authenticationHeader ? 1 : 0],
				]
			: [
					[abi.IPPROTO_IPV6, abi.IPV6_FREEBIND, 1],
					[abi.IPPROTO_IPV6, abi.IPV6_TCLASS, abi.IPTOS_PREC_INTERNETCONTROL],
					[abi.IPPROTO_IPV6, abi.IPV6_UNICAST_HOPS, ttl],
					[abi.IPPROTO_IPV6, abi.IPV6_MULTICAST_HOPS, ttl],
					[abi.IPPROTO_IPV6, abi.IPV6_MULTICAST_LOOP, 0],
					[abi.IPPROTO_IPV6, abi.IPV6_MULTICAST_IF, index],
				];
	const opened = openSocket({
		what: `the VRRP socket on ${options.interface} for ${place.source}`,
		...kindOf(options),
		options: [
			...(device ? [[abi.SOL_SOCKET, abi.SO_BINDTODEVICE, Buffer.from(`${device}\0`)] as const] : []),
			...ip,
			[abi.SOL_SOCKET, abi.SO_PRIORITY, abi.TC_PRIO_CONTROL],
		],
		bind: internetSocketAddress(place.source, 0, place.interfaceIndex),
	});
	if (opened.ok) attachFilter(opened.value, [drop]);
	return opened;
}

function kindOf(options: VrrpSocketOptions): {
	readonly family: number;
	readonly type: number;
	readonly protocol: number;
} {
	return {
		family: options.family === "ipv4" ? abi.AF_INET : abi.AF_INET6,
		type: abi.SOCK_RAW,
		protocol: options.authenticationHeader ? authenticationHeaderProtocol : vrrpProtocol,
	};
}

/** `struct ip_mreqn`: group 0, local address 4, index 8. */
export function ipMreqn(group: string, index: number): Buffer {
	const result = Buffer.alloc(12);
	result.set(addressBytes(group), 0);
	result.writeInt32LE(index, 8);
	return result;
}

/** `struct ipv6_mreq`: group 0, index 16. */
export function ipv6Mreq(group: string, index: number): Buffer {
	const result = Buffer.alloc(20);
	result.set(addressBytes(group), 0);
	result.writeInt32LE(index, 16);
	return result;
}

// A UDP socket in the loop, for heartbeats. In: datagrams to send. Out: datagrams with the time at which they were read.

import type { Cancel } from "../../runtime/clock.ts";
import type { Opened, UdpDatagram, UdpSocket, UdpSocketOptions } from "../host-network.ts";
import type { RealTimeLoop } from "../real-time-loop.ts";
import * as abi from "./abi/socket.ts";
import { errorNumber, libc } from "./libc.ts";
import { monotonicUs } from "./monotonic-us.ts";
import { addressIn, internetSocketAddress } from "./socket-address.ts";
import { openSocket, type SocketOption } from "./socket-options.ts";
import { systemFailure } from "./system-error.ts";
import { ipMreqn, ipv6Mreq } from "./vrrp-socket.ts";

const received = Buffer.alloc(2048);
const mostAtOnce = 64;

export function openUdpSocket(
	options: UdpSocketOptions,
	interfaceIndex: number,
	loop: RealTimeLoop | undefined,
	onDatagram: (datagram: UdpDatagram) => void,
): Opened<UdpSocket> {
	const anywhere = options.family === "ipv4" ? "0.0.0.0" : "::";
	const opened = openSocket({
		what: `UDP port ${options.port}`,
		family: options.family === "ipv4" ? abi.AF_INET : abi.AF_INET6,
		type: abi.SOCK_DGRAM,
		protocol: 0,
		options: socketOptions(options, interfaceIndex),
		bind: internetSocketAddress(options.address ?? anywhere, options.port, interfaceIndex),
	});
	if (!opened.ok) return opened;
	const fd = opened.value;
	const from = Buffer.alloc(abi.sockaddrIn6Bytes);
	const fromLength = Buffer.alloc(4);
	const unwatch: Cancel | undefined = loop?.watchReadable(fd, () => {
		for (let count = 0; count < mostAtOnce; count++) {
			fromLength.writeUInt32LE(from.length);
			const length = libc.recvfrom(fd, received, received.length, 0, from, fromLength);
			if (length < 0) return;
			const { address: source, port } = addressIn(from);
			onDatagram({ source, port, bytes: received.subarray(0, length), receivedUs: monotonicUs() });
		}
	});
	const destinations = new Map<string, Buffer>();
	return {
		ok: true,
		value: {
			port: portOf(fd),
			send: (bytes, to, port) => {
				const key = `${to} ${port}`;
				const destination = destinations.get(key) ?? internetSocketAddress(to, port, interfaceIndex);
				destinations.set(key, destination);
				const length = libc.sendto(fd, bytes, bytes.length, abi.MSG_DONTWAIT, destination, destination.length);
				return length >= 0 ? { ok: true, changed: true } : systemFailure(errorNumber(), `UDP to ${to}`);
			},
			close: () => {
				unwatch?.();
				libc.close(fd);
			},
		},
	};
}

function socketOptions(options: UdpSocketOptions, interfaceIndex: number): readonly SocketOption[] {
	const isIpv4 = options.family === "ipv4";
	const device: readonly SocketOption[] =
		options.interface === undefined
			? []
			: [[abi.SOL_SOCKET, abi.SO_BINDTODEVICE, Buffer.from(`${options.interface}\0`)]];
	const index = Buffer.alloc(4);
	index.writeInt32LE(interfaceIndex);
	const group: readonly SocketOption[] =
		options.group === undefined
			? []
			: isIpv4
				? [
						[abi.IPPROTO_IP, abi.IP_ADD_MEMBERSHIP, ipMreqn(options.group, interfaceIndex)],
						[abi.IPPROTO_IP, abi.IP_MULTICAST_IF, ipMreqn("0.0.0.0", interfaceIndex)],
						[abi.IPPROTO_IP, abi.IP_MULTICAST_LOOP, 0],
					]
				: [
						[abi.IPPROTO_IPV6, abi.IPV6_ADD_MEMBERSHIP, ipv6Mreq(options.group, interfaceIndex)],
						[abi.IPPROTO_IPV6, abi.IPV6_MULTICAST_IF, index],
						[abi.IPPROTO_IPV6, abi.IPV6_MULTICAST_LOOP, 0],
					];
	return [
		[abi.SOL_SOCKET, abi.SO_REUSEADDR, 1],
		...device,
		...group,
		...(isIpv4
			? ([[abi.IPPROTO_IP, abi.IP_TOS, abi.IPTOS_PREC_INTERNETCONTROL]] as const)
			: ([
					[abi.IPPROTO_IPV6, abi.IPV6_V6ONLY, 1],
					[abi.IPPROTO_IPV6, abi.IPV6_TCLASS, abi.IPTOS_PREC_INTERNETCONTROL],
				] as const)),
		[abi.SOL_SOCKET, abi.SO_PRIORITY, abi.TC_PRIO_CONTROL],
	];
}

function portOf(fd: number): number {
	const address = Buffer.alloc(abi.sockaddrIn6Bytes);
	const length = Buffer.alloc(4);
	length.writeUInt32LE(address.length);
	libc.getsockname(fd, address, length);
	return addressIn(address).port;
}

// `struct sockaddr_in`, `sockaddr_in6` and `sockaddr_ll` as bytes, and what a received one says.

import { sockaddrLlBytes } from "./abi/packet.ts";
import { AF_INET, AF_INET6, AF_PACKET, sockaddrIn6Bytes, sockaddrInBytes } from "./abi/socket.ts";
import { addressBytes, addressText } from "./ip-text.ts";

/** `interfaceIndex` is the scope of link-local and multicast addresses of IPv6. Throws on text that is no address. */
export function internetSocketAddress(address: string, port: number, interfaceIndex: number): Buffer {
	const bytes = addressBytes(address);
	const isIpv4 = bytes.length === 4;
	const result = Buffer.alloc(isIpv4 ? sockaddrInBytes : sockaddrIn6Bytes);
	result.writeUInt16LE(isIpv4 ? AF_INET : AF_INET6, 0);
	result.writeUInt16BE(port, 2);
	result.set(bytes, isIpv4 ? 4 : 8);
	if (!isIpv4 && isLinkScope(bytes)) result.writeUInt32LE(interfaceIndex, 24);
	return result;
}

export function packetSocketAddress(protocol: number, interfaceIndex: number): Buffer {
	const result = Buffer.alloc(sockaddrLlBytes);
	result.writeUInt16LE(AF_PACKET, 0);
	result.writeUInt16BE(protocol, 2);
	result.writeInt32LE(interfaceIndex, 4);
	return result;
}

export function addressIn(socketAddress: Buffer): { readonly address: string; readonly port: number } {
	const isIpv4 = socketAddress.readUInt16LE(0) === AF_INET;
	return {
		address: addressText(isIpv4 ? socketAddress.subarray(4, 8) : socketAddress.subarray(8, 24)),
		port: socketAddress.readUInt16BE(2),
	};
}

/** fe80::/10, and groups of the link. */
function isLinkScope(bytes: Uint8Array): boolean {
	const [first = 0, second = 0] = bytes;
	return (first === 0xfe && (second & 0xc0) === 0x80) || (first === 0xff && (second & 0x0f) <= 2);
}

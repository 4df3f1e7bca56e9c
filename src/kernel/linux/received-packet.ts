// Reads one packet of a raw socket. Memory is shared by all sockets of the thread: a packet is valid until the next is read.

import { vrrpProtocol } from "../../vip/vrrp/advert.ts";
import type { AddressFamily, VrrpPacket } from "../host-network.ts";
import {
	cmsghdrBytes,
	IPPROTO_IPV6,
	IPV6_HOPLIMIT,
	IPV6_PKTINFO,
	msghdrBytes,
	sockaddrIn6Bytes,
} from "./abi/socket.ts";
import { addressText } from "./ip-text.ts";
import { allocate, libc } from "./libc.ts";

type ReadPacket = (nowUs: number) => VrrpPacket | undefined;

const mostBytes = 2048;
const received = Buffer.alloc(mostBytes);
/** The same few routers speak all the time. */
const texts = new Map<string, string>();
const mostTexts = 1024;

/** `protocol` is what the socket was opened for. Returns undefined when nothing waits. */
export function receivedPacketReader(fd: number, family: AddressFamily, protocol: number): ReadPacket {
	return family === "ipv4" ? (nowUs) => readIpv4(fd, nowUs) : (nowUs) => readIpv6(fd, protocol, nowUs);
}

function readIpv4(fd: number, receivedUs: number): VrrpPacket | undefined {
	const length = libc.recv(fd, received, mostBytes, 0);
	const headerBytes = ((received[0] ?? 0) & 15) * 4;
	if (length < 20 || length < headerBytes) return undefined;
	return {
		family: "ipv4",
		source: textOf(received.subarray(12, 16)),
		destination: textOf(received.subarray(16, 20)),
		ttl: received[8] ?? 0,
		protocol: received[9] ?? vrrpProtocol,
		payload: received.subarray(headerBytes, length),
		ipHeader: received.subarray(0, headerBytes),
		receivedUs,
	};
}

const controlBytes = 256;
let ipv6Message: ReturnType<typeof makeIpv6Message> | undefined;

/** `struct msghdr` and what it points to, in one piece: header, one iovec, name, control, data. */
function makeIpv6Message() {
	const at = {
		vector: msghdrBytes,
		name: msghdrBytes + 16,
		control: msghdrBytes + 48,
		data: msghdrBytes + 48 + controlBytes,
	};
	const { address, bytes } = allocate(at.data + mostBytes);
	bytes.writeBigUInt64LE(address + BigInt(at.name), 0);
	bytes.writeBigUInt64LE(address + BigInt(at.vector), 16);
	bytes.writeBigUInt64LE(1n, 24);
	bytes.writeBigUInt64LE(address + BigInt(at.control), 32);
	bytes.writeBigUInt64LE(address + BigInt(at.data), at.vector);
	bytes.writeBigUInt64LE(BigInt(mostBytes), at.vector + 8);
	return { address, bytes, at };
}

function readIpv6(fd: number, protocol: number, receivedUs: number): VrrpPacket | undefined {
	ipv6Message ??= makeIpv6Message();
	const { address, bytes, at } = ipv6Message;
	bytes.writeUInt32LE(sockaddrIn6Bytes, 8);
	bytes.writeBigUInt64LE(BigInt(controlBytes), 40);
	const length = libc.recvmsg(fd, address, 0);
	if (length < 0) return undefined;
	let ttl = -1;
	let destination = "::";
	let offset = at.control;
	const end = offset + Number(bytes.readBigUInt64LE(40));
	while (offset + cmsghdrBytes <= end) {
		const size = Number(bytes.readBigUInt64LE(offset));
		if (size < cmsghdrBytes || offset + size > end) break;
		const type = bytes.readInt32LE(offset + 12);
		const data = offset + cmsghdrBytes;
		if (bytes.readInt32LE(offset + 8) === IPPROTO_IPV6) {
			if (type === IPV6_HOPLIMIT) ttl = bytes.readInt32LE(data);
			if (type === IPV6_PKTINFO) destination = textOf(bytes.subarray(data, data + 16));
		}
		offset += (size + 7) & ~7;
	}
	return {
		family: "ipv6",
		source: textOf(bytes.subarray(at.name + 8, at.name + 24)),
		destination,
		ttl,
		protocol,
		payload: bytes.subarray(at.data, at.data + length),
		receivedUs,
	};
}

function textOf(address: Buffer): string {
	const key = address.toString("latin1");
	const known = texts.get(key);
	if (known !== undefined) return known;
	if (texts.size >= mostTexts) texts.clear();
	const text = addressText(address);
	texts.set(key, text);
	return text;
}

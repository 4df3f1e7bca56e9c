// Virtual servers and destinations as attributes of the IPVS family (<linux/ip_vs.h>), and back.

import type { Forwarding } from "../../../l4/balancer.ts";
import type {
	Counters,
	Destination,
	DestinationState,
	VirtualServer,
	VirtualServerKey,
} from "../../../l4/ipvs/virtual-server.ts";
import type { Layer4Protocol } from "../../../l4/layer4-service.ts";
import * as abi from "../abi/ip-vs.ts";
import { AF_INET, AF_INET6 } from "../abi/socket.ts";
import { addressBytes, addressText } from "../ip-text.ts";
import { attributesIn, type NetlinkWriter, textOf } from "../netlink-message.ts";

const protocolNumbers: Readonly<Record<Layer4Protocol, number>> = { tcp: 6, udp: 17, sctp: 132 };
const tunnelTypes = [
	abi.IP_VS_CONN_F_TUNNEL_TYPE_IPIP,
	abi.IP_VS_CONN_F_TUNNEL_TYPE_GUE,
	abi.IP_VS_CONN_F_TUNNEL_TYPE_GRE,
];
const tunnelNames = ["ipip", "gue", "gre"] as const;

export function writeKey(writer: NetlinkWriter, key: VirtualServerKey): void {
	writer.attribute(abi.IPVS_SVC_ATTR_AF, u16(key.family === "ipv4" ? AF_INET : AF_INET6));
	if (key.type === "mark") {
		writer.u32(abi.IPVS_SVC_ATTR_FWMARK, key.mark);
		return;
	}
	writer.attribute(abi.IPVS_SVC_ATTR_PROTOCOL, u16(protocolNumbers[key.protocol]));
	writer.attribute(abi.IPVS_SVC_ATTR_ADDR, union(key.address));
	writer.attribute(abi.IPVS_SVC_ATTR_PORT, networkU16(key.port));
}

export function writeServer(writer: NetlinkWriter, server: VirtualServer): void {
	writeKey(writer, server.key);
	let flags = 0;
	if (server.persistence) flags |= abi.IP_VS_SVC_F_PERSISTENT;
	if (server.onePacket) flags |= abi.IP_VS_SVC_F_ONEPACKET;
	for (const flag of server.schedulerFlags ?? []) flags |= abi.IP_VS_SVC_F_SCHED1 << (flag - 1);
	const ipv4 = server.key.family === "ipv4";
	const length = server.persistence?.prefixLength ?? (ipv4 ? 32 : 128);
	const netmask = ipv4 ? networkU32(length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0) : u32(length);
	writer.text(abi.IPVS_SVC_ATTR_SCHED_NAME, server.scheduler);
	writer.attribute(abi.IPVS_SVC_ATTR_FLAGS, Buffer.concat([u32(flags), u32(0xffffffff)]));
	writer.u32(abi.IPVS_SVC_ATTR_TIMEOUT, server.persistence?.timeoutSec ?? 0);
	writer.attribute(abi.IPVS_SVC_ATTR_NETMASK, netmask);
	if (server.persistenceEngine !== undefined) writer.text(abi.IPVS_SVC_ATTR_PE_NAME, server.persistenceEngine);
}

export function writeDestinationKey(writer: NetlinkWriter, address: string, port: number): void {
	writer.attribute(abi.IPVS_DEST_ATTR_ADDR_FAMILY, u16(address.includes(":") ? AF_INET6 : AF_INET));
	writer.attribute(abi.IPVS_DEST_ATTR_ADDR, union(address));
	writer.attribute(abi.IPVS_DEST_ATTR_PORT, networkU16(port));
}

export function writeDestination(writer: NetlinkWriter, destination: Destination): void {
	const { forwarding } = destination;
	writeDestinationKey(writer, destination.address, destination.port);
	writer.u32(abi.IPVS_DEST_ATTR_FWD_METHOD, methodNumber(forwarding));
	writer.u32(abi.IPVS_DEST_ATTR_WEIGHT, destination.weight);
	writer.u32(abi.IPVS_DEST_ATTR_U_THRESH, destination.upperThreshold);
	writer.u32(abi.IPVS_DEST_ATTR_L_THRESH, destination.lowerThreshold);
	if (forwarding.method !== "TUN") return;
	writer.u8(abi.IPVS_DEST_ATTR_TUN_TYPE, tunnelTypes[tunnelNames.indexOf(forwarding.tunnel)] ?? 0);
	writer.attribute(abi.IPVS_DEST_ATTR_TUN_PORT, networkU16(forwarding.port ?? 0));
	writer.attribute(abi.IPVS_DEST_ATTR_TUN_FLAGS, u16(checksumFlags(forwarding.checksum)));
}

/** Undefined when a new kernel tells of something that this program does not know. */
export function decodeServer(
	bytes: Buffer,
): { readonly server: VirtualServer; readonly counters: Counters } | undefined {
	const attributes = attributesIn(bytes);
	const key = decodeKey(attributes);
	if (!key) return undefined;
	const flags = attributes.get(abi.IPVS_SVC_ATTR_FLAGS)?.readUInt32LE(0) ?? 0;
	const netmask = attributes.get(abi.IPVS_SVC_ATTR_NETMASK);
	const whole = key.family === "ipv4" ? 32 : 128;
	const length = key.family === "ipv4" ? setBits(netmask) : (netmask?.readUInt32LE(0) ?? whole);
	const schedulerFlags = ([1, 2, 3] as const).filter((flag) => flags & (abi.IP_VS_SVC_F_SCHED1 << (flag - 1)));
	const timeoutSec = attributes.get(abi.IPVS_SVC_ATTR_TIMEOUT)?.readUInt32LE(0) ?? 0;
	const engine = textOf(attributes.get(abi.IPVS_SVC_ATTR_PE_NAME));
	const server: VirtualServer = {
		key,
		scheduler: textOf(attributes.get(abi.IPVS_SVC_ATTR_SCHED_NAME)) ?? "",
		...(flags & abi.IP_VS_SVC_F_PERSISTENT && {
			persistence: { timeoutSec, ...(length !== whole && { prefixLength: length }) },
		}),
		...(flags & abi.IP_VS_SVC_F_ONEPACKET && { onePacket: true }),
		...(schedulerFlags.length > 0 && { schedulerFlags }),
		...(engine && { persistenceEngine: engine }),
	};
	return { server, counters: decodeCounters(attributes.get(abi.IPVS_SVC_ATTR_STATS64)) };
}

export function decodeDestination(bytes: Buffer, family: VirtualServerKey["family"]): DestinationState {
	const attributes = attributesIn(bytes);
	const number = (type: number) => attributes.get(type)?.readUInt32LE(0) ?? 0;
	const own = attributes.get(abi.IPVS_DEST_ATTR_ADDR_FAMILY)?.readUInt16LE(0);
	const ipv4 = own === undefined ? family === "ipv4" : own === AF_INET;
	return {
		destination: {
			address: addressText((attributes.get(abi.IPVS_DEST_ATTR_ADDR) ?? Buffer.alloc(16)).subarray(0, ipv4 ? 4 : 16)),
			port: attributes.get(abi.IPVS_DEST_ATTR_PORT)?.readUInt16BE(0) ?? 0,
			weight: number(abi.IPVS_DEST_ATTR_WEIGHT),
			forwarding: decodeForwarding(attributes, number(abi.IPVS_DEST_ATTR_FWD_METHOD)),
			upperThreshold: number(abi.IPVS_DEST_ATTR_U_THRESH),
			lowerThreshold: number(abi.IPVS_DEST_ATTR_L_THRESH),
		},
		activeConnections: number(abi.IPVS_DEST_ATTR_ACTIVE_CONNS),
		inactiveConnections: number(abi.IPVS_DEST_ATTR_INACT_CONNS),
		persistentConnections: number(abi.IPVS_DEST_ATTR_PERSIST_CONNS),
		counters: decodeCounters(attributes.get(abi.IPVS_DEST_ATTR_STATS64)),
	};
}

function decodeKey(attributes: ReadonlyMap<number, Buffer>): VirtualServerKey | undefined {
	const family = attributes.get(abi.IPVS_SVC_ATTR_AF)?.readUInt16LE(0) === AF_INET6 ? "ipv6" : "ipv4";
	const mark = attributes.get(abi.IPVS_SVC_ATTR_FWMARK)?.readUInt32LE(0);
	if (mark !== undefined) return { family, type: "mark", mark };
	const number = attributes.get(abi.IPVS_SVC_ATTR_PROTOCOL)?.readUInt16LE(0);
	const protocol = (["tcp", "udp", "sctp"] as const).find((name) => protocolNumbers[name] === number);
	const address = attributes.get(abi.IPVS_SVC_ATTR_ADDR);
	if (!protocol || !address) return undefined;
	return {
		family,
		type: "address",
		protocol,
		address: addressText(address.subarray(0, family === "ipv4" ? 4 : 16)),
		port: attributes.get(abi.IPVS_SVC_ATTR_PORT)?.readUInt16BE(0) ?? 0,
	};
}

function methodNumber(forwarding: Forwarding): number {
	if (forwarding.method === "DR") return abi.IP_VS_CONN_F_DROUTE;
	return forwarding.method === "TUN" ? abi.IP_VS_CONN_F_TUNNEL : abi.IP_VS_CONN_F_MASQ;
}

function decodeForwarding(attributes: ReadonlyMap<number, Buffer>, flags: number): Forwarding {
	const method = flags & abi.IP_VS_CONN_F_FWD_MASK;
	if (method === abi.IP_VS_CONN_F_DROUTE) return { method: "DR" };
	if (method !== abi.IP_VS_CONN_F_TUNNEL) return { method: "NAT" };
	const port = attributes.get(abi.IPVS_DEST_ATTR_TUN_PORT)?.readUInt16BE(0) ?? 0;
	const checksum = attributes.get(abi.IPVS_DEST_ATTR_TUN_FLAGS)?.readUInt16LE(0) ?? 0;
	return {
		method: "TUN",
		tunnel: tunnelNames[attributes.get(abi.IPVS_DEST_ATTR_TUN_TYPE)?.[0] ?? 0] ?? "ipip",
		...(port !== 0 && { port }),
		checksum:
			checksum & abi.IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM
				? "remcsum"
				: checksum & abi.IP_VS_TUNNEL_ENCAP_FLAG_CSUM
					? "csum"
					: "nocsum",
	};
}

function checksumFlags(words: string): number {
	if (words === "remcsum") return abi.IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM;
	return words === "csum" ? abi.IP_VS_TUNNEL_ENCAP_FLAG_CSUM : 0;
}

function decodeCounters(bytes: Buffer | undefined): Counters {
	const attributes = attributesIn(bytes ?? Buffer.alloc(0));
	const number = (type: number) => Number(attributes.get(type)?.readBigUInt64LE(0) ?? 0n);
	return {
		connections: number(abi.IPVS_STATS_ATTR_CONNS),
		packetsIn: number(abi.IPVS_STATS_ATTR_INPKTS),
		packetsOut: number(abi.IPVS_STATS_ATTR_OUTPKTS),
		bytesIn: number(abi.IPVS_STATS_ATTR_INBYTES),
		bytesOut: number(abi.IPVS_STATS_ATTR_OUTBYTES),
	};
}

/** `union nf_inet_addr`. */
function union(address: string): Buffer {
	const bytes = Buffer.alloc(16);
	bytes.set(addressBytes(address));
	return bytes;
}

function setBits(bytes: Buffer | undefined): number {
	let value = bytes?.readUInt32BE(0) ?? 0xffffffff;
	let count = 0;
	for (; value !== 0; value = (value << 1) >>> 0) count += value >>> 31;
	return count;
}

function u16(value: number): Buffer {
	const bytes = Buffer.alloc(2);
	bytes.writeUInt16LE(value);
	return bytes;
}

function u32(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32LE(value);
	return bytes;
}

function networkU16(value: number): Buffer {
	const bytes = Buffer.alloc(2);
	bytes.writeUInt16BE(value);
	return bytes;
}

function networkU32(value: number): Buffer {
	const bytes = Buffer.alloc(4);
	bytes.writeUInt32BE(value);
	return bytes;
}

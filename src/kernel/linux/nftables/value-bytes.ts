// Parts of keys and data as the kernel's registers hold them. In: a type and a value. Out: bytes; and back. Addresses, protocols
// and ports are in network order, marks and slots in the machine's; each part of a concatenation takes a multiple of 4 bytes.

import type { NftType, NftValue } from "../../../l4/nftables/ruleset.ts";
import { addressText } from "../ip-text.ts";
import { writeIpv4, writeIpv6 } from "./write-address.ts";

const widths: Readonly<Record<NftType, number>> = {
	ipv4_addr: 4,
	ipv6_addr: 16,
	inet_proto: 1,
	inet_service: 2,
	mark: 4,
	slot: 4,
	ifname: 16,
};

const protocols: Readonly<Record<string, number>> = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, sctp: 132 };
const protocolNames = new Map(Object.entries(protocols).map(([name, number]) => [number, name]));

export const widthOf = (type: NftType): number => widths[type];

/** A single part has its own width, parts of a concatenation are filled up to 4 bytes. */
export function keyLength(types: readonly NftType[]): number {
	const [only] = types;
	if (only && types.length === 1) return widths[only];
	let length = 0;
	for (const type of types) length += paddedWidth(type);
	return length;
}

export const paddedWidth = (type: NftType): number => (widths[type] + 3) & ~3;

/** The memory must be zero there. Returns the offset after it. */
export function writeValues(
	bytes: Buffer,
	offset: number,
	types: readonly NftType[],
	values: readonly NftValue[],
): number {
	if (types.length !== values.length) throw new Error(`${values.join(" . ")}: ${types.length} parts are wanted`);
	let at = offset;
	for (let index = 0; index < types.length; index++) {
		const type = types[index] as NftType;
		writeValue(bytes, at, type, values[index] as NftValue);
		at += paddedWidth(type);
	}
	return at;
}

/** Throws on a value that is none of the type: plans are made of checked values. */
export function writeValue(bytes: Buffer, offset: number, part: NftType, value: NftValue): void {
	switch (part) {
		case "ipv4_addr":
			writeIpv4(bytes, offset, String(value));
			return;
		case "ipv6_addr":
			writeIpv6(bytes, offset, String(value));
			return;
		case "inet_proto":
			bytes[offset] = protocolNumber(value);
			return;
		case "inet_service": {
			const port = integer(value, 0xffff);
			bytes[offset] = port >>> 8;
			bytes[offset + 1] = port;
			return;
		}
		case "mark":
		case "slot": {
			const number = integer(value, 0xffffffff);
			bytes[offset] = number;
			bytes[offset + 1] = number >>> 8;
			bytes[offset + 2] = number >>> 16;
			bytes[offset + 3] = number >>> 24;
			return;
		}
		case "ifname":
			writeInterfaceName(bytes, offset, String(value));
			return;
		default:
			part satisfies never;
	}
}

export function readValues(bytes: Buffer, types: readonly NftType[], offset = 0): readonly NftValue[] {
	let at = offset;
	return types.map((type) => {
		const value = readValue(bytes, at, type);
		at += paddedWidth(type);
		return value;
	});
}

export function readValue(bytes: Buffer, offset: number, type: NftType): NftValue {
	switch (type) {
		case "ipv4_addr":
		case "ipv6_addr":
			return addressText(bytes.subarray(offset, offset + widths[type]));
		case "inet_proto": {
			const number = bytes[offset] ?? 0;
			return protocolNames.get(number) ?? number;
		}
		case "inet_service":
			return bytes.readUInt16BE(offset);
		case "mark":
		case "slot":
			return bytes.readUInt32LE(offset);
		case "ifname":
			return bytes.toString("utf8", offset, offset + widths.ifname).replace(/\0.*$/s, "");
		default:
			return type satisfies never;
	}
}

export function protocolNumber(value: NftValue): number {
	if (typeof value === "number") return integer(value, 255);
	const number = protocols[value];
	if (number === undefined) throw new Error(`${value} is no protocol that has a number here`);
	return number;
}

function writeInterfaceName(bytes: Buffer, offset: number, name: string): void {
	const text = Buffer.from(name);
	if (text.length >= widths.ifname) throw new Error(`${name} is too long for an interface`);
	bytes.set(text, offset);
}

function integer(value: NftValue, highest: number): number {
	const number = Number(value);
	if (!Number.isInteger(number) || number < 0 || number > highest)
		throw new Error(`${value} is not a number from 0 to ${highest}`);
	return number;
}

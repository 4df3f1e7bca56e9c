// Adverts that keepalived 2.2.7 sent on a veth, as hex from the IP header on, with the configuration that they belong to.

import type { InstanceConfig } from "../vip-config.ts";
import type { ReceivedPacket } from "./advert.ts";
import { instanceForTest } from "./instance-config.testing.ts";

export interface Capture {
	readonly what: string;
	/** From the IP header on. */
	readonly packet: string;
	readonly priority: number;
	readonly config: InstanceConfig;
}

const address = (text: string) => ({ address: text, prefixLength: 24 });
const unicast: InstanceConfig["transport"] = {
	type: "unicast",
	peers: [{ address: "10.77.0.2" }],
	ttl: 255,
	checkSource: false,
};

/** Of keepalived 2.2.7. */
export const captures: readonly Capture[] = [
	{
		what: "version 2 without authentication, two addresses",
		packet: "45c0002c00010000ff70d0400a4d0001e0000012210b96020001338e0a4d00640a4d00650000000000000000",
		priority: 150,
		config: instanceForTest({
			version: 2,
			virtualRouterId: 11,
			advertIntervalMs: 1000,
			addresses: [address("10.77.0.100"), address("10.77.0.101")],
		}),
	},
	{
		what: "version 2 with a password, each 2 s",
		packet: "45c0002800010000ff70d0440a4d0001e0000012210c97010102fff00a4d00667365637265740000",
		priority: 151,
		config: instanceForTest({
			version: 2,
			virtualRouterId: 12,
			advertIntervalMs: 2000,
			addresses: [address("10.77.0.102")],
			authentication: { type: "pass", key: "secret" },
		}),
	},
	{
		what: "version 2 with AH",
		packet:
			"45c0004000010000ff33d0690a4d0001e0000012700400000a4d0001000000010527e6f2d0a0e4947e82c750210d980102013a3c0a4d00670000000000000000",
		priority: 152,
		config: instanceForTest({
			version: 2,
			virtualRouterId: 13,
			advertIntervalMs: 1000,
			addresses: [address("10.77.0.103")],
			authentication: { type: "ah", key: "secret" },
		}),
	},
	{
		what: "version 2 with AH, unicast, a password of more than 8 bytes",
		packet:
			"45c0004000010000ff33a62d0a4d00010a4d0002700400000a4d0001000000013e284e5d1db6dd3c5d33bcf821119c01020136340a4d006b0000000000000000",
		priority: 156,
		config: instanceForTest({
			version: 2,
			virtualRouterId: 17,
			advertIntervalMs: 1000,
			addresses: [address("10.77.0.107")],
			authentication: { type: "ah", key: "longersecret" },
			transport: unicast,
		}),
	},
	{
		what: "version 3 over IPv4, each 0.1 s",
		packet: "45c0002000010000ff70d04c0a4d0001e0000012310e9901000a40540a4d0068",
		priority: 153,
		config: instanceForTest({ virtualRouterId: 14, addresses: [address("10.77.0.104")] }),
	},
	{
		what: "version 3 over IPv4, unicast",
		packet: "45c0002000010000ff70a6100a4d00010a4d0002310f9a01003214ee0a4d0069",
		priority: 154,
		config: instanceForTest({
			virtualRouterId: 15,
			advertIntervalMs: 500,
			addresses: [address("10.77.0.105")],
			transport: unicast,
		}),
	},
	{
		what: "priority 0, said at its stop",
		packet: "45c0002000570000ff70cff60a4d0001e0000012310e0001000ad9540a4d0068",
		priority: 0,
		config: instanceForTest({ virtualRouterId: 14, addresses: [address("10.77.0.104")] }),
	},
	{
		what: "version 3 over IPv6",
		packet:
			"6c0b5f2f002870fffe800000000000000000000000770001ff0200000000000000000000000000123110" +
			"9b0200320664fe80000000000000000000000077010020010db8000000000000000000000100",
		priority: 155,
		config: instanceForTest({
			family: "ipv6",
			virtualRouterId: 16,
			advertIntervalMs: 500,
			addresses: [
				{ address: "fe80::77:100", prefixLength: 64 },
				{ address: "2001:db8::100", prefixLength: 64 },
			],
		}),
	},
];

/** What a socket would tell of it. */
export function packetOf(capture: Capture): ReceivedPacket {
	const bytes = Uint8Array.from(Buffer.from(capture.packet, "hex"));
	const text = (from: number): string => [...bytes.subarray(from, from + 4)].join(".");
	if (capture.config.family === "ipv6")
		return {
			family: "ipv6",
			source: "fe80::77:1",
			destination: "ff02::12",
			ttl: bytes[7] ?? 0,
			protocol: bytes[6] ?? 0,
			payload: bytes.subarray(40),
		};
	return {
		family: "ipv4",
		source: text(12),
		destination: text(16),
		ttl: bytes[8] ?? 0,
		protocol: bytes[9] ?? 0,
		payload: bytes.subarray(20),
		ipHeader: bytes.subarray(0, 20),
	};
}

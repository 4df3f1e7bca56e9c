// What `nft list` reads of a set, against the bytes that nft 1.0.6 sends for the same text.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NftSet } from "../../../l4/nftables/ruleset.ts";
import { setUserData, typeNumber } from "./type-description.ts";

const place = ["ipv4_addr", "inet_proto", "inet_service"] as const;
const place6 = ["ipv6_addr", "inet_proto", "inet_service"] as const;

const captured: readonly (readonly [text: string, set: NftSet, typeNumber: number, hex: string])[] = [
	[
		"typeof ip daddr . meta l4proto . th dport : verdict",
		{ name: "services", key: place, data: "verdict" },
		0x730d,
		"000400000000010400000000034400040d000000013c0014000407000000010c00040c00000001040c000000010e00040900000001060004100000000214000407000000010c00040b00000001040200000004080004010000000100060400000000",
	],
	[
		"typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport",
		{ name: "endpoints", key: [...place, "slot"], data: ["ipv4_addr", "inet_service"] },
		0x1cc344,
		"000400000000010400000000036000040d00000001580014000407000000010c00040c00000001040c000000010e00040900000001060004100000000214000407000000010c00040b000000010402000000031a0004170000000112000401000000010402000000020400000000043400040d000000012c0014000407000000010c00040c00000001040c0000000114000407000000010c00040b000000010402000000060400000000",
	],
	[
		"typeof ip6 daddr . meta l4proto . th dport . numgen random mod 2 : ip6 daddr . th dport",
		{ name: "endpoints", key: [...place6, "slot"], data: ["ipv6_addr", "inet_service"] },
		0x20c344,
		"000400000000010400000000036000040d00000001580014000407000000010c00040d000000010409000000010e00040900000001060004100000000214000407000000010c00040b000000010402000000031a0004170000000112000401000000010402000000020400000000043400040d000000012c0014000407000000010c00040d0000000104090000000114000407000000010c00040b000000010402000000060400000000",
	],
	[
		"typeof ip daddr . meta l4proto . th dport . ip saddr",
		{ name: "ranges", key: [...place, "ipv4_addr"], interval: true },
		0x1cc347,
		"000400000000035a00040d00000001520014000407000000010c00040c00000001040c000000010e00040900000001060004100000000214000407000000010c00040b0000000104020000000314000407000000010c00040c00000001040b000000",
	],
	[
		"typeof meta mark . meta iifname",
		{ name: "marks", key: ["mark", "ifname"] },
		0x4e9,
		"000400000000032800040d0000000120000e0004090000000106000403000000010e0004090000000106000406000000",
	],
	[
		"typeof numgen random mod 2 : verdict",
		{ name: "slots", key: ["slot"], data: "verdict" },
		4,
		"000401000000010400000000031a000417000000011200040100000001040200000002040000000004080004010000000100060400000000",
	],
	["type ipv4_addr", { name: "nets", key: ["ipv4_addr"], interval: true }, 7, "000402000000"],
];

describe("sets describe themselves to nft as nft does", () => {
	for (const [text, set, number, hex] of captured)
		it(text, () => {
			assert.equal(typeNumber(set.key), number);
			assert.equal(setUserData(set).toString("hex"), hex);
		});
});

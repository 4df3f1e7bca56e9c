// Links: RTM_NEWLINK messages to LinkState.

import type { LinkState } from "../host-network.ts";
import {
	IFF_RUNNING,
	IFF_UP,
	IFLA_ADDRESS,
	IFLA_IFALIAS,
	IFLA_IFNAME,
	IFLA_INFO_KIND,
	IFLA_LINK,
	IFLA_LINKINFO,
	IFLA_MTU,
	ifinfomsgBytes,
} from "./abi/rtnetlink.ts";
import { attributesIn, textOf } from "./netlink-message.ts";

export function decodeLink(body: Buffer): LinkState {
	const attributes = attributesIn(body.subarray(ifinfomsgBytes));
	const flags = body.readUInt32LE(8);
	const info = attributes.get(IFLA_LINKINFO);
	const kind = (info && textOf(attributesIn(info).get(IFLA_INFO_KIND))) ?? "";
	// Other kinds, as veth, name with it something that may be in another namespace.
	const base = kind === "macvlan" ? attributes.get(IFLA_LINK)?.readUInt32LE(0) : undefined;
	const alias = textOf(attributes.get(IFLA_IFALIAS));
	return {
		index: body.readInt32LE(4),
		name: textOf(attributes.get(IFLA_IFNAME)) ?? "",
		mac: macText(attributes.get(IFLA_ADDRESS) ?? Buffer.alloc(0)),
		up: (flags & IFF_UP) !== 0,
		running: (flags & IFF_UP) !== 0 && (flags & IFF_RUNNING) !== 0,
		mtu: attributes.get(IFLA_MTU)?.readUInt32LE(0) ?? 0,
		kind,
		...(base !== undefined && { baseIndex: base }),
		...(alias !== undefined && { alias }),
	};
}

export function macText(bytes: Uint8Array): string {
	return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(":");
}

export function macBytes(text: string): Uint8Array | undefined {
	const parts = text.split(/[:-]/);
	if (parts.length !== 6 || !parts.every((part) => /^[0-9a-fA-F]{1,2}$/.test(part))) return undefined;
	return Uint8Array.from(parts, (part) => Number.parseInt(part, 16));
}

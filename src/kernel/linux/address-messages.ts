// Addresses of interfaces: what is to be added or removed to RTM_NEWADDR and RTM_DELADDR, and the kernel's messages back.

import type { VirtualAddress } from "../../vip/vip-config.ts";
import type { HostAddress } from "../host-network.ts";
import {
	IFA_ADDRESS,
	IFA_BROADCAST,
	IFA_CACHEINFO,
	IFA_F_DADFAILED,
	IFA_F_NODAD,
	IFA_F_NOPREFIXROUTE,
	IFA_F_TENTATIVE,
	IFA_FLAGS,
	IFA_LABEL,
	IFA_LOCAL,
	IFA_PROTO,
	ifaddrmsgBytes,
	RT_SCOPE_HOST,
	RT_SCOPE_LINK,
	RT_SCOPE_SITE,
	RT_SCOPE_UNIVERSE,
} from "./abi/rtnetlink.ts";
import { AF_INET } from "./abi/socket.ts";
import { addressBytes, addressText, familyNumber, familyOf, rangeOf } from "./ip-text.ts";
import { attributesIn, type NetlinkWriter, textOf } from "./netlink-message.ts";

const forever = 0xffffffff;
const scopes = { global: RT_SCOPE_UNIVERSE, site: RT_SCOPE_SITE, link: RT_SCOPE_LINK, host: RT_SCOPE_HOST } as const;

export const scopeNumber = (scope: keyof typeof scopes): number => scopes[scope];

/** Fills a started message. Throws on an address that is none. */
export function encodeAddress(
	fixed: Buffer,
	writer: NetlinkWriter,
	interfaceIndex: number,
	address: VirtualAddress,
	tag: number,
): void {
	const family = familyOf(address.address);
	const local = addressBytes(address.address);
	const peer = address.peer === undefined ? undefined : rangeOf(address.peer);
	fixed[0] = familyNumber(family);
	fixed[1] = peer?.bits ?? address.prefixLength;
	fixed[3] = scopeNumber(address.scope ?? "global");
	fixed.writeUInt32LE(interfaceIndex, 4);
	writer
		.attribute(IFA_LOCAL, local)
		.attribute(IFA_ADDRESS, peer?.bytes ?? local)
		.u8(IFA_PROTO, tag);
	// Duplicate address detection would keep the address from answering for a second.
	const flags = (family === "ipv6" ? IFA_F_NODAD : 0) | (address.noPrefixRoute ? IFA_F_NOPREFIXROUTE : 0);
	if (flags) writer.u32(IFA_FLAGS, flags);
	if (address.label !== undefined && family === "ipv4") writer.text(IFA_LABEL, address.label);
	if (address.broadcast !== undefined && family === "ipv4")
		writer.attribute(IFA_BROADCAST, addressBytes(address.broadcast));
	const preferred = preferredSeconds(address, family === "ipv6");
	if (preferred !== undefined) {
		const lifetimes = Buffer.alloc(16);
		lifetimes.writeUInt32LE(preferred, 0);
		lifetimes.writeUInt32LE(forever, 4);
		writer.attribute(IFA_CACHEINFO, lifetimes);
	}
}

export function decodeAddress(body: Buffer, nameOf: (index: number) => string, tag: number): HostAddress {
	const attributes = attributesIn(body.subarray(ifaddrmsgBytes));
	const isIpv4 = body[0] === AF_INET;
	const prefix = attributes.get(IFA_ADDRESS);
	const local = attributes.get(IFA_LOCAL) ?? prefix ?? Buffer.alloc(isIpv4 ? 4 : 16);
	const flags = attributes.get(IFA_FLAGS)?.readUInt32LE(0) ?? body[2] ?? 0;
	const label = textOf(attributes.get(IFA_LABEL));
	const interfaceName = nameOf(body.readUInt32LE(4));
	return {
		interface: interfaceName,
		family: isIpv4 ? "ipv4" : "ipv6",
		address: addressText(local),
		prefixLength: body[1] ?? 0,
		...(label !== undefined && label !== interfaceName && { label }),
		scope: scopeName(body[3] ?? 0),
		...(prefix && !prefix.equals(local) && { peer: addressText(prefix) }),
		tentative: (flags & IFA_F_TENTATIVE) !== 0,
		duplicate: (flags & IFA_F_DADFAILED) !== 0,
		owned: attributes.get(IFA_PROTO)?.[0] === tag,
	};
}

export function scopeName(scope: number): HostAddress["scope"] {
	for (const name of ["site", "link", "host"] as const) if (scopes[name] === scope) return name;
	return "global";
}

/** keepalived's rule: an IPv6 address that is alone in its range is no source of own connections unless it is told. */
function preferredSeconds(address: VirtualAddress, isIpv6: boolean): number | undefined {
	if (address.preferredLifetimeSec !== undefined) return address.preferredLifetimeSec;
	return isIpv6 && address.prefixLength === 128 ? 0 : undefined;
}

// Routes and routing rules: virtual_routes and virtual_rules to RTM_NEWROUTE and RTM_NEWRULE, and the kernel's routes back.

import type { VirtualRoute, VirtualRule } from "../../vip/vip-config.ts";
import type { AddressFamily, HostRoute } from "../host-network.ts";
import {
	FR_ACT_TO_TBL,
	FRA_DST,
	FRA_FWMARK,
	FRA_IIFNAME,
	FRA_OIFNAME,
	FRA_PRIORITY,
	FRA_PROTOCOL,
	FRA_SRC,
	FRA_TABLE,
	RT_SCOPE_LINK,
	RT_SCOPE_NOWHERE,
	RT_SCOPE_UNIVERSE,
	RT_TABLE_MAIN,
	RT_TABLE_UNSPEC,
	RTA_DST,
	RTA_GATEWAY,
	RTA_OIF,
	RTA_PREFSRC,
	RTA_PRIORITY,
	RTA_TABLE,
	RTM_F_CLONED,
	RTN_BLACKHOLE,
	RTN_PROHIBIT,
	RTN_UNICAST,
	RTN_UNREACHABLE,
	RTNH_F_ONLINK,
	rtmsgBytes,
} from "./abi/rtnetlink.ts";
import { AF_INET, AF_INET6 } from "./abi/socket.ts";
import { scopeNumber } from "./address-messages.ts";
import { addressBytes, addressText, familyNumber, familyOf, rangeOf } from "./ip-text.ts";
import { attributesIn, type NetlinkWriter } from "./netlink-message.ts";

const types = {
	unicast: RTN_UNICAST,
	blackhole: RTN_BLACKHOLE,
	unreachable: RTN_UNREACHABLE,
	prohibit: RTN_PROHIBIT,
} as const;

export function routeFamily(route: VirtualRoute): AddressFamily {
	if (route.family) return route.family;
	return familyOf(route.destination === "default" ? (route.gateway ?? route.source ?? "") : route.destination);
}

/** Fills a started message; false when the destination is no range. To remove, scope and source are left to the kernel. */
export function encodeRoute(
	fixed: Buffer,
	writer: NetlinkWriter,
	route: VirtualRoute,
	options: { readonly interfaceIndex: number | undefined; readonly tag: number; readonly removing: boolean },
): boolean {
	const family = routeFamily(route);
	const destination = rangeOf(route.destination, family);
	if (!destination) return false;
	const type = types[route.type ?? "unicast"];
	const table = route.table ?? RT_TABLE_MAIN;
	fixed[0] = familyNumber(family);
	fixed[1] = destination.bits;
	fixed[4] = table < 256 ? table : RT_TABLE_UNSPEC;
	fixed[5] = options.tag;
	fixed[6] = options.removing && !route.scope ? RT_SCOPE_NOWHERE : routeScope(route, family);
	fixed[7] = type;
	if (route.onlink) fixed.writeUInt32LE(RTNH_F_ONLINK, 8);
	if (destination.bits > 0) writer.attribute(RTA_DST, destination.bytes);
	writer.u32(RTA_TABLE, table);
	if (route.gateway !== undefined) writer.attribute(RTA_GATEWAY, addressBytes(route.gateway));
	if (route.source !== undefined) writer.attribute(RTA_PREFSRC, addressBytes(route.source));
	if (route.metric !== undefined) writer.u32(RTA_PRIORITY, route.metric);
	if (options.interfaceIndex !== undefined && type === RTN_UNICAST) writer.u32(RTA_OIF, options.interfaceIndex);
	return true;
}

/** Undefined for routes that nobody manages: local, broadcast, multicast and cached ones. */
export function decodeRoute(body: Buffer, nameOf: (index: number) => string, tag: number): HostRoute | undefined {
	const family = body[0] === AF_INET ? "ipv4" : body[0] === AF_INET6 ? "ipv6" : undefined;
	const type = (["unicast", "blackhole", "unreachable", "prohibit"] as const).find((name) => types[name] === body[7]);
	if (!family || !type || (body.readUInt32LE(8) & RTM_F_CLONED) !== 0) return undefined;
	const attributes = attributesIn(body.subarray(rtmsgBytes));
	const destination = attributes.get(RTA_DST);
	const gateway = attributes.get(RTA_GATEWAY);
	const source = attributes.get(RTA_PREFSRC);
	const metric = attributes.get(RTA_PRIORITY)?.readUInt32LE(0);
	const index = attributes.get(RTA_OIF)?.readUInt32LE(0);
	return {
		family,
		destination: destination ? `${addressText(destination)}/${body[1]}` : "default",
		...(gateway && { gateway: addressText(gateway) }),
		...(index !== undefined && { interface: nameOf(index) }),
		...(source && { source: addressText(source) }),
		table: attributes.get(RTA_TABLE)?.readUInt32LE(0) ?? body[4] ?? 0,
		...(metric !== undefined && { metric }),
		type,
		owned: body[5] === tag,
	};
}

/** Fills a started message; false when `from` or `to` is no range. */
export function encodeRule(fixed: Buffer, writer: NetlinkWriter, rule: VirtualRule, tag: number): boolean {
	const from = rule.from === undefined ? undefined : rangeOf(rule.from, rule.family);
	const to = rule.to === undefined ? undefined : rangeOf(rule.to, rule.family);
	if ((rule.from !== undefined && !from) || (rule.to !== undefined && !to)) return false;
	const table = rule.table ?? RT_TABLE_MAIN;
	fixed[0] = familyNumber(rule.family);
	fixed[1] = to?.bits ?? 0;
	fixed[2] = from?.bits ?? 0;
	fixed[4] = table < 256 ? table : RT_TABLE_UNSPEC;
	fixed[7] = FR_ACT_TO_TBL;
	if (to && to.bits > 0) writer.attribute(FRA_DST, to.bytes);
	if (from && from.bits > 0) writer.attribute(FRA_SRC, from.bytes);
	writer.u32(FRA_TABLE, table).u8(FRA_PROTOCOL, tag);
	if (rule.preference !== undefined) writer.u32(FRA_PRIORITY, rule.preference);
	if (rule.incomingInterface !== undefined) writer.text(FRA_IIFNAME, rule.incomingInterface);
	if (rule.outgoingInterface !== undefined) writer.text(FRA_OIFNAME, rule.outgoingInterface);
	if (rule.mark !== undefined) writer.u32(FRA_FWMARK, rule.mark);
	return true;
}

/** `ip route` chooses so: what needs no router is on the link. */
function routeScope(route: VirtualRoute, family: AddressFamily): number {
	if (route.scope) return scopeNumber(route.scope);
	const direct = family === "ipv4" && route.gateway === undefined && (route.type ?? "unicast") === "unicast";
	return direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

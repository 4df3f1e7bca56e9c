// What a virtual server listens on: one address, a mark, or all entries of a group. In: its target and the groups. Out: fronts with
// their ports.

import { numberOfAddress, textOfAddress } from "../../vip/keepalived-conf/address-range.ts";
import type { VirtualServer, VirtualServerGroup } from "../../vip/keepalived-conf/virtual-servers.ts";
import type { Front } from "../balancer.ts";
import { canonicalAddress, familyOf } from "../services/canonical-address.ts";

export interface FrontPort {
	readonly front: Front;
	/** 0: all ports. */
	readonly port: number;
}

/** Longer ranges would be as many rules: they are refused. */
export const maxRangeAddresses = 65_536n;

export type Fronts =
	| { readonly ok: true; readonly fronts: readonly FrontPort[] }
	| { readonly ok: false; readonly because: string; readonly hint: string };

export function frontsOf(server: VirtualServer, groups: readonly VirtualServerGroup[]): Fronts {
	const { target } = server;
	switch (target.type) {
		case "address":
			return { ok: true, fronts: [addressFront(target.address, target.port)] };
		case "mark":
			return { ok: true, fronts: [{ front: markFront(target.mark, familyOfMark(server)), port: 0 }] };
		case "group": {
			const group = groups.find(({ name }) => name === target.group);
			if (!group)
				return {
					ok: false,
					because: `there is no virtual_server_group ${target.group}`,
					hint: `write virtual_server_group ${target.group} { ... }`,
				};
			return frontsOfGroup(group, server);
		}
		default:
			return target satisfies never;
	}
}

function frontsOfGroup(group: VirtualServerGroup, server: VirtualServer): Fronts {
	const fronts: FrontPort[] = [];
	for (const entry of group.entries) {
		if (entry.type === "mark") {
			fronts.push({ front: markFront(entry.mark, entry.family ?? familyOfMark(server)), port: 0 });
			continue;
		}
		const first = numberOfAddress(entry.first);
		const last = numberOfAddress(entry.last);
		if (last - first >= maxRangeAddresses)
			return {
				ok: false,
				because: `the range ${entry.first} to ${entry.last} has more than ${maxRangeAddresses} addresses`,
				hint: "mark its packets with nftables, and balance the mark",
			};
		const family = familyOf(entry.first);
		for (let number = first; number <= last; number++)
			fronts.push(addressFront(number === first ? entry.first : textOfAddress(number, family), entry.port));
	}
	return { ok: true, fronts };
}

function addressFront(address: string, port: number | undefined): FrontPort {
	const text = canonicalAddress(address)?.text ?? address;
	return { front: { type: "virtualServer", family: familyOf(text), address: text }, port: port ?? 0 };
}

function markFront(mark: number, family: "ipv4" | "ipv6"): Front {
	return { type: "mark", family, mark };
}

/** As keepalived has it: what is said, else the family of the real servers, else IPv4. */
function familyOfMark({ family, realServers }: VirtualServer): "ipv4" | "ipv6" {
	const natural = realServers.find(({ forwarding }) => forwarding.method !== "TUN");
	return family ?? familyOf(natural?.address ?? "");
}

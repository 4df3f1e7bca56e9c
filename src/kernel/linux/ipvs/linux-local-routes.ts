// LocalRoutes on Linux: `ip route add local ADDRESS dev lo table 19277 protocol 0x57`, and for each protocol that balancers serve
// `ip rule add ipproto PROTOCOL lookup 19277`. The kernel's question for an ARP request has no protocol, so such an address is never
// answered for, whatever arp_ignore says.

import type { IpFamily } from "../../../l4/balancer.ts";
import type { LocalRoute } from "../../../l4/ipvs/local-route-plan.ts";
import type { Failure, Opened, Outcome } from "../../host-network.ts";
import type { LocalRoutes } from "../../local-routes.ts";
import { EEXIST, ENOENT, ESRCH } from "../abi/errno.ts";
import { NLM_F_CREATE, NLM_F_EXCL } from "../abi/netlink.ts";
import {
	FR_ACT_TO_TBL,
	FRA_IP_PROTO,
	FRA_PRIORITY,
	FRA_PROTOCOL,
	FRA_TABLE,
	fibRuleHdrBytes,
	RT_SCOPE_HOST,
	RTA_DST,
	RTA_OIF,
	RTA_PREFSRC,
	RTA_TABLE,
	RTM_DELROUTE,
	RTM_DELRULE,
	RTM_GETROUTE,
	RTM_NEWROUTE,
	RTM_NEWRULE,
	RTN_LOCAL,
	rtmsgBytes,
} from "../abi/rtnetlink.ts";
import { addressBytes, addressText, familyNumber, familyOf } from "../ip-text.ts";
import { attributesIn } from "../netlink-message.ts";
import { NetlinkSocket } from "../netlink-socket.ts";
import { insideNamespace } from "../network-namespace.ts";

export const localRouteTable = 19_277;
/** Shown by `ip route` and `ip rule` as `proto 87`. */
const tag = 0x57;
/** After the machine's own addresses, before every other table. */
const preference = 100;
/** Linux gives the loopback interface this number in every namespace. */
const loopbackIndex = 1;

const protocolsOf: Readonly<Record<IpFamily, readonly number[]>> = {
	// ICMP too: "fragmentation needed" of a connection is sent to its address.
	ipv4: [6, 17, 132, 1],
	ipv6: [6, 17, 132, 58],
};

/** Makes the rules of those families. `netns`: `/run/netns/NAME`; default: where the thread is. */
export function openLocalRoutes(options: {
	readonly families: readonly IpFamily[];
	readonly netns?: string;
}): Opened<LocalRoutes> {
	const namespace = insideNamespace(options.netns);
	const routes = new LinuxLocalRoutes(namespace.run(() => new NetlinkSocket()));
	namespace.close();
	for (const family of options.families) {
		const made = routes.addRules(family);
		if (made.ok) continue;
		routes.close();
		return made;
	}
	return { ok: true, value: routes };
}

class LinuxLocalRoutes implements LocalRoutes {
	readonly #netlink: NetlinkSocket;

	constructor(netlink: NetlinkSocket) {
		this.#netlink = netlink;
	}

	addRules(family: IpFamily): Outcome {
		for (const protocol of protocolsOf[family]) {
			const outcome = this.#changeRule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, family, protocol);
			if (!outcome.ok) return outcome;
		}
		return { ok: true, changed: true };
	}

	read(): readonly LocalRoute[] {
		const found: LocalRoute[] = [];
		this.#netlink.start(RTM_GETROUTE, 0, rtmsgBytes);
		this.#netlink.dump("the routes", ({ body }) => {
			if (body[5] !== tag || body[7] !== RTN_LOCAL) return;
			const attributes = attributesIn(body.subarray(rtmsgBytes));
			const address = attributes.get(RTA_DST);
			if (!address || attributes.get(RTA_TABLE)?.readUInt32LE(0) !== localRouteTable) return;
			const source = attributes.get(RTA_PREFSRC);
			found.push({ address: addressText(address), ...(source && { source: addressText(source) }) });
		});
		return found;
	}

	add(route: LocalRoute): Outcome {
		return this.#change(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, route);
	}

	remove(route: LocalRoute): Outcome {
		return this.#change(RTM_DELROUTE, 0, route);
	}

	cleanUp(): readonly Failure[] {
		const outcomes = this.read().map((route) => this.remove(route));
		for (const family of ["ipv4", "ipv6"] as const)
			for (const protocol of protocolsOf[family]) outcomes.push(this.#changeRule(RTM_DELRULE, 0, family, protocol));
		return outcomes.filter((outcome) => !outcome.ok);
	}

	close(): void {
		this.#netlink.close();
	}

	#change(type: number, flags: number, { address, source }: LocalRoute): Outcome {
		const family = familyOf(address);
		const removing = type === RTM_DELROUTE;
		const { fixed, writer } = this.#netlink.start(type, flags, rtmsgBytes);
		fixed[0] = familyNumber(family);
		fixed[1] = family === "ipv4" ? 32 : 128;
		fixed[5] = tag;
		fixed[6] = family === "ipv4" ? RT_SCOPE_HOST : 0;
		fixed[7] = RTN_LOCAL;
		writer.attribute(RTA_DST, addressBytes(address));
		writer.u32(RTA_TABLE, localRouteTable).u32(RTA_OIF, loopbackIndex);
		if (source !== undefined && !removing) writer.attribute(RTA_PREFSRC, addressBytes(source));
		const answer = this.#netlink.request(`${removing ? "removing" : "adding"} the local route to ${address}`);
		if (answer.ok) return { ok: true, changed: true };
		return answer.error === (removing ? ESRCH : EEXIST) ? { ok: true, changed: false } : answer.failure;
	}

	#changeRule(type: number, flags: number, family: IpFamily, protocol: number): Outcome {
		const removing = type === RTM_DELRULE;
		const { fixed, writer } = this.#netlink.start(type, flags, fibRuleHdrBytes);
		fixed[0] = familyNumber(family);
		fixed[7] = FR_ACT_TO_TBL;
		writer
			.u32(FRA_TABLE, localRouteTable)
			.u8(FRA_PROTOCOL, tag)
			.u32(FRA_PRIORITY, preference)
			.u8(FRA_IP_PROTO, protocol);
		const answer = this.#netlink.request(`${removing ? "removing" : "adding"} a routing rule`);
		if (answer.ok) return { ok: true, changed: true };
		return answer.error === (removing ? ENOENT : EEXIST) ? { ok: true, changed: false } : answer.failure;
	}
}

// What the process may do. Bits: capabilities(7).

import type { OtherSetting, Role, Setting } from "../setting.ts";

interface Right {
	readonly name: string;
	readonly bit: bigint;
	readonly roles: readonly Role[];
	readonly fault: string;
	readonly detail: string;
}

const rights: readonly Right[] = [
	{
		name: "CAP_NET_ADMIN",
		bit: 12n,
		roles: ["node", "vip", "l4"],
		fault: "no rule, address or route can be set",
		detail: "nftables, IPVS, addresses and routes are set over netlink, which asks for it.",
	},
	{
		name: "CAP_NET_RAW",
		bit: 13n,
		roles: ["vip"],
		fault: "no advert can be sent, no ARP announced",
		detail: "VRRP is an IP protocol of its own, and gratuitous ARP is sent on packet sockets.",
	},
	{
		name: "CAP_SYS_ADMIN",
		bit: 21n,
		roles: ["node"],
		fault: "the agent cannot enter pods' network namespaces",
		detail: "setns(2) into the network namespace of a pod asks for it; a node with only its own proxy does without.",
	},
];

const rightSetting = ({ name, bit, roles, fault, detail }: Right): OtherSetting => ({
	id: `capability.${name}`,
	label: name,
	roles,
	judge: ({ capabilities }) => {
		if (capabilities === undefined) return undefined;
		if ((capabilities >> bit) & 1n) return { level: "ok", is: "yes", shouldBe: "yes" };
		return {
			level: "must",
			is: "no",
			shouldBe: "yes",
			remedy: `run it as root, or with AmbientCapabilities=${name} in its unit; this check looks at the user who runs it`,
		};
	},
	fault,
	detail,
});

export const rightSettings: readonly Setting[] = rights.map(rightSetting);

// What a node of a lab does with TCP connections to virtual IPs: they go to the node's own ingress gateway, from outside and from
// the node itself, so that a health check of the address asks this node's gateway. Without one they are refused.

/** For `nft -f -`; replaces what was there. */
export function renderVirtualIpRules(addresses: readonly string[], gateway: string | undefined): string {
	const table = "table ip keepmesh-lab-vip";
	const empty = `${table} {}\ndelete ${table}\n`;
	if (addresses.length === 0) return empty;
	const match = `ip daddr { ${addresses.join(", ")} } meta l4proto tcp`;
	if (gateway === undefined)
		return `${empty}${table} {
	chain out { type filter hook output priority 0; ${match} reject with tcp reset; }
}
`;
	return `${empty}${table} {
	chain in { type nat hook prerouting priority dstnat; ${match} dnat to ${gateway}; }
	chain out { type nat hook output priority -100; ${match} dnat to ${gateway}; }
}
`;
}

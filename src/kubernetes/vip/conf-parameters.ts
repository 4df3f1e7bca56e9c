// What a keepalived.conf of a cluster may say of its nodes: `$_NODE_NAME`, `$_NODE_ADDRESS`, `$_PEER_ADDRESSES` (a line each, for
// `unicast_peer`), and the last two with a 6 at their end for IPv6. In: the nodes and which one this is. Out: the parameters.

import { addressOfFamily } from "./candidate-nodes.ts";
import type { ClusterNode } from "./cluster-objects.ts";

/** Without what is not known: the parser says where that is used. */
export function confParameters(nodes: readonly ClusterNode[], nodeName: string): ReadonlyMap<string, string> {
	const parameters = new Map([["_NODE_NAME", nodeName]]);
	const own = nodes.find(({ name }) => name === nodeName);
	if (!own) return parameters;
	for (const [family, suffix] of [
		["ipv4", ""],
		["ipv6", "6"],
	] as const) {
		const address = addressOfFamily(own, family);
		if (address === undefined) continue;
		const others = nodes.flatMap((node) => (node === own ? [] : (addressOfFamily(node, family) ?? [])));
		parameters.set(`_NODE_ADDRESS${suffix}`, address);
		parameters.set(`_PEER_ADDRESSES${suffix}`, others.sort().join("\n"));
	}
	return parameters;
}

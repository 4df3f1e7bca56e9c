// Which nodes may hold addresses, and who comes first. In: nodes of the cluster, labels that they need, a name to spread by. Out:
// the nodes as a VirtualIP lists them, with the addresses that their adverts come from.

import type { VirtualIPNode } from "../../resources/kinds/virtual-ip.ts";
import { type ClusterNode, excludedLabel, hasLabels, type Labels } from "./cluster-objects.ts";

export interface CandidateOptions {
	readonly family: "ipv4" | "ipv6";
	readonly selector?: Labels | undefined;
	/** What is spread over the nodes: another text, another order. */
	readonly spreadBy: string;
}

/** Highest priorities first. A node that comes or goes leaves the order of the others as it is; a cordoned one comes last. */
export function candidateNodes(nodes: readonly ClusterNode[], options: CandidateOptions): readonly VirtualIPNode[] {
	const ranked = nodes
		.filter(({ labels }) => hasLabels(options.selector, labels) && !(excludedLabel in labels))
		.flatMap((node) => {
			const sourceAddress = addressOfFamily(node, options.family);
			return sourceAddress === undefined ? [] : [{ node, sourceAddress, rank: rankOf(options.spreadBy, node.name) }];
		})
		.sort((a, b) => a.rank - b.rank || (a.node.name < b.node.name ? -1 : 1));
	return ranked.map(({ node, sourceAddress }, index) => ({
		node: node.name,
		sourceAddress,
		priority: Math.max(1, (node.schedulable ? 200 : 100) - index),
	}));
}

export function addressOfFamily({ addresses }: ClusterNode, family: "ipv4" | "ipv6"): string | undefined {
	return addresses.find((address) => address.includes(":") === (family === "ipv6"));
}

/** FNV-1a over both, mixed (murmur3's finalizer): neighbouring names fall far apart. */
function rankOf(what: string, node: string): number {
	let hash = 0x811c9dc5;
	for (const character of `${what}\n${node}`) hash = Math.imul(hash ^ character.charCodeAt(0), 0x01000193);
	hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
	hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
	return (hash ^ (hash >>> 16)) >>> 0;
}

// On which node a pod runs: the one with the fewest pods of the same owner, then the fewest pods at all, then by number.

export interface PlacedPod {
	readonly node: string;
	readonly owner: string;
}

/** Undefined only when there are no nodes. `wanted`: the pod's own nodeName, taken when there is such a node. */
export function chooseNode(
	nodes: readonly string[],
	pods: readonly PlacedPod[],
	owner: string,
	wanted?: string,
): string | undefined {
	if (wanted !== undefined && nodes.includes(wanted)) return wanted;
	const load = (node: string): number => {
		const here = pods.filter((pod) => pod.node === node);
		return here.filter((pod) => pod.owner === owner).length * 100_000 + here.length;
	};
	return nodes
		.map((node, index) => ({ node, load: load(node), index }))
		.sort((a, b) => a.load - b.load || a.index - b.index)[0]?.node;
}

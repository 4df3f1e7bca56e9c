// The networks of a set of clusters as the commands that make them: a bridge in each control plane's namespace, a link from it to
// each node, routes to pods, and one more bridge between the clusters. Out: lines for `sh -e`.

import type { ClusterShape, NodeShape, SetShape } from "./cluster-shape.ts";

export function planSetNetwork(set: SetShape): readonly string[] {
	return [...set.clusters.flatMap(planControlPlaneNetwork), ...planRoutesBetween(set)];
}

function planControlPlaneNetwork({
	controlPlane,
	machinePrefix,
	serviceNetwork,
	nodes,
}: ClusterShape): readonly string[] {
	const ip = `ip -n ${controlPlane.id}`;
	const [first] = nodes;
	return [
		`ip netns add ${controlPlane.id}`,
		`${ip} link set lo up`,
		`${ip} link add br0 type bridge`,
		`${ip} address add ${controlPlane.ip}/24 dev br0`,
		`${ip} link set br0 up`,
		forward(controlPlane.id),
		// The control plane has no kube-proxy: what it sends to a Service goes through the first node's.
		...(first ? [`${ip} route add ${serviceNetwork} via ${machinePrefix}.${first.ip.split(".").at(-1)}`] : []),
		...nodes.map((node) => `${ip} route add ${node.podNetwork} via ${node.ip}`),
	];
}

/** A node's own part: made again each time that the node boots. */
export function planNodeNetwork(cluster: ClusterShape, node: NodeShape): readonly string[] {
	const hub = `ip -n ${cluster.controlPlane.id}`;
	const ip = `ip -n ${node.id}`;
	const others = cluster.nodes.filter(({ name }) => name !== node.name);
	return [
		`ip netns add ${node.id}`,
		`${hub} link add ${node.link} type veth peer name eth0 netns ${node.id}`,
		`${hub} link set ${node.link} master br0 up`,
		`${ip} link set lo up`,
		`${ip} address add ${node.ip}/24 dev eth0`,
		`${ip} link set eth0 up`,
		`${ip} route add default via ${cluster.controlPlane.ip}`,
		...others.map((other) => `${ip} route add ${other.podNetwork} via ${other.ip}`),
		forward(node.id),
	];
}

/** Every machine and pod of one cluster reaches those of the others; Services stay within their cluster. */
function planRoutesBetween({ clusters }: SetShape): readonly string[] {
	const [first, ...others] = clusters;
	if (!first || others.length === 0) return [];
	const hub = `ip -n ${first.controlPlane.id}`;
	return [
		`${hub} link add wan type bridge`,
		`${hub} address add ${first.wanIp}/24 dev wan`,
		`${hub} link set wan up`,
		...others.flatMap((other) => [
			`${hub} link add w${other.number} type veth peer name wan netns ${other.controlPlane.id}`,
			`${hub} link set w${other.number} master wan up`,
			`ip -n ${other.controlPlane.id} address add ${other.wanIp}/24 dev wan`,
			`ip -n ${other.controlPlane.id} link set wan up`,
		]),
		...clusters.flatMap((from) =>
			clusters
				.filter((to) => to.number !== from.number)
				.flatMap((to) =>
					[`${to.machinePrefix}.0/24`, to.podNetwork].map(
						(network) => `ip -n ${from.controlPlane.id} route add ${network} via ${to.wanIp}`,
					),
				),
		),
	];
}

const forward = (id: string): string => `nsenter --net=/run/netns/${id} sh -c 'echo 1 >/proc/sys/net/ipv4/ip_forward'`;

// The addresses and namespaces of a lab, and the texts for `ip -batch` that make them. In: name and number of nodes. Out: a
// plan whose every line could be typed. All links live inside the lab's namespaces; the host's own namespace gets none.

export interface LabNetwork {
	/** Every namespace of the lab starts with this: `km-lab-`. */
	readonly prefix: string;
	/** Holds the bridge that joins nodes, control planes and client. */
	readonly fabric: string;
	readonly client: LabHost;
	readonly controls: readonly LabHost[];
	readonly nodes: readonly LabNode[];
}

export interface LabHost {
	/** `client`, `control-1`. */
	readonly name: string;
	/** Name of its network namespace, `km-lab-client`. */
	readonly netns: string;
	readonly address: string;
}

export interface LabNode extends LabHost {
	/** Address of the node on its pods' bridge: their router and resolver. */
	readonly podGateway: string;
	/** The third byte of its pods' addresses. */
	readonly number: number;
}

export interface LabNetworkOptions {
	/** Lower-case letters and digits, at most 12: namespaces of two labs must never share a prefix. */
	readonly name: string;
	readonly nodes: number;
	readonly controls: number;
}

/**
 * Kubernetes' usual addresses of Services. A node's own packets to them need a way out before they are translated, as a default
 * route is on other machines.
 */
const serviceRange = "10.96.0.0/12";

export const maxNodes = 40;
export const maxControls = 9;

export function planLabNetwork(options: LabNetworkOptions): LabNetwork {
	const prefix = namespacePrefix(options.name);
	const host = (name: string, address: string): LabHost => ({ name, netns: prefix + name, address });
	return {
		prefix,
		fabric: `${prefix}fabric`,
		client: host("client", "10.77.0.200"),
		controls: count(options.controls).map((number) => host(`control-${number}`, `10.77.0.${100 + number}`)),
		nodes: count(options.nodes).map((number) => ({
			...host(`node-${number}`, `10.77.0.${10 + number}`),
			podGateway: `10.77.${number}.1`,
			number,
		})),
	};
}

export function isLabName(name: string): boolean {
	return /^[a-z0-9]{1,12}$/.test(name);
}

export function namespacePrefix(labName: string): string {
	return `km-${labName}-`;
}

/** A command in one namespace: lines for `ip -n NETNS -batch -`. An empty `netns`: `ip -batch -`, for adding namespaces. */
export interface IpBatch {
	readonly netns: string;
	readonly lines: readonly string[];
}

/** Batches of one step may run side by side; the steps follow each other. */
export function planNetworkUp(network: LabNetwork): readonly (readonly IpBatch[])[] {
	const { fabric, client, controls, nodes } = network;
	const hosts = [...nodes, ...controls, client];
	const routes = nodes.map((node) => `route add 10.77.${node.number}.0/24 via ${node.address}`);
	const leaf = (host: LabHost, more: readonly string[]): IpBatch => ({
		netns: host.netns,
		lines: ["link set lo up", `addr add ${host.address}/24 dev eth0`, "link set eth0 up", ...more],
	});
	return [
		[{ netns: "", lines: [fabric, ...hosts.map((host) => host.netns)].map((netns) => `netns add ${netns}`) }],
		[
			{
				netns: fabric,
				lines: [
					"link set lo up",
					`link add br0 address ${bridgeMac(0)} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
					"addr add 10.77.0.1/24 dev br0",
					"link set br0 up",
					...hosts.flatMap((host) => [
						`link add ${host.name} type veth peer name eth0 netns ${host.netns}`,
						`link set ${host.name} master br0 up`,
					]),
				],
			},
		],
		[
			{ netns: fabric, lines: routes },
			leaf(client, routes),
			...controls.map((control) => leaf(control, routes)),
			...nodes.map((node) =>
				leaf(node, [
					`link add pods address ${bridgeMac(node.number)} type bridge stp_state 0 forward_delay 0 mcast_snooping 0`,
					`addr add ${node.podGateway}/24 dev pods`,
					"link set pods up",
					...routes.filter((_, index) => nodes[index] !== node),
					`route add ${serviceRange} dev eth0`,
				]),
			),
		],
	];
}

/**
 * Given, because a bridge that may choose takes the lowest address of its ports: it would change as pods come and go, and the
 * pods' neighbour entry for their router would be wrong for seconds.
 */
function bridgeMac(node: number): string {
	return `02:77:00:00:00:${node.toString(16).padStart(2, "0")}`;
}

/** Kernel settings of a node, as `path value` below /proc/sys/net. */
export const nodeSysctls: readonly (readonly [string, string])[] = [
	["ipv4/ip_forward", "1"],
	["ipv4/conf/all/rp_filter", "0"],
	["ipv4/conf/default/rp_filter", "0"],
];

/**
 * Of the client: pods look foreign names up there, and each look-up is to be refused at once while no server listens. Without
 * the mask the kernel's global limit still drops one refusal in a few dozen, and a look-up hangs for five seconds.
 */
export const clientSysctls: typeof nodeSysctls = [
	["ipv4/icmp_ratelimit", "0"],
	["ipv4/icmp_ratemask", "0"],
];

export interface PodLink {
	readonly netns: string;
	readonly node: LabNode;
	readonly address: string;
}

/**
 * `suffix` tells the ends apart on the node: the last byte of the address. A pod has no neighbours but its node: what a Service's
 * address was translated to may be one of them, and its answers must come back through the node.
 */
export function planPodUp(pod: PodLink): readonly (readonly IpBatch[])[] {
	const end = podLinkName(pod.address);
	return [
		[{ netns: "", lines: [`netns add ${pod.netns}`] }],
		[
			{
				netns: pod.node.netns,
				lines: [`link add ${end} type veth peer name eth0 netns ${pod.netns}`, `link set ${end} master pods up`],
			},
		],
		[
			{
				netns: pod.netns,
				lines: [
					"link set lo up",
					`addr add ${pod.address}/24 dev eth0`,
					"link set eth0 up",
					`route add default via ${pod.node.podGateway}`,
				],
			},
		],
	];
}

export function podLinkName(address: string): string {
	return `pod${address.slice(address.lastIndexOf(".") + 1)}`;
}

/** The free address that was used longest ago; undefined when the node is full. `last`: the one given out before. */
export function nextPodAddress(node: LabNode, used: ReadonlySet<string>, last: number): string | undefined {
	for (let step = 1; step <= 253; step++) {
		const byte = 2 + ((Math.max(last, 1) - 2 + step) % 253);
		const address = `10.77.${node.number}.${byte}`;
		if (!used.has(address)) return address;
	}
	return undefined;
}

/** What a pod's resolver reads, by Kubernetes' rules (dnsPolicy ClusterFirst). */
export function renderResolvConf(namespace: string, nameserver: string, domain = "cluster.local"): string {
	return `search ${namespace}.svc.${domain} svc.${domain} ${domain}\nnameserver ${nameserver}\noptions ndots:5\n`;
}

function count(number: number): readonly number[] {
	return Array.from({ length: number }, (_, index) => index + 1);
}

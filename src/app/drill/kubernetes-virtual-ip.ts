// The virtual IP of the drills, on a cluster: on which two nodes it is drilled, which address it is, and from where it is probed.

import { randomInt } from "node:crypto";
import { nodes as nodeResource } from "../../kubernetes/client/api-resources.ts";
import { pathOf } from "../../kubernetes/client/resource-path.ts";
import { numberOf } from "../../resources/text/address-span.ts";
import { ClusterAddress } from "./cluster-address.ts";
import type { DrillPlace } from "./drill-place.ts";
import { type DrillAddress, makeDrillAddress } from "./kubernetes-vip-address.ts";
import { hasAddress, VipNode, type VipPod, vipPods } from "./kubernetes-vip-node.ts";
import { startRemote } from "./remote-program.ts";

/** A named address is looked for on so many nodes. */
const mostNodes = 8;
const letters = ["a", "b", "c"] as const;

/** Resolves when one of the nodes owns the address. */
export async function kubernetesVirtualIp(place: DrillPlace): Promise<ClusterAddress> {
	const { nodes, others, given } = place.address === undefined ? await own(place) : await named(place, place.address);
	const apart = await thirdNode(place, [...nodes.map(({ name }) => name), ...others]);
	const made = new ClusterAddress(place, nodes, apart && (await vipNode(place, apart, letters[2])), given);
	try {
		await made.start();
	} catch (error) {
		await made.close();
		throw error;
	}
	return made;
}

type NodePlace = Pick<VipPod, "node" | "nodeIp">;

interface Chosen {
	readonly nodes: readonly VipNode[];
	/** Nodes that may have the address as well. */
	readonly others: readonly string[];
	readonly given: DrillAddress;
}

/** The drill's own nodes where they can. */
async function own(place: DrillPlace): Promise<Chosen> {
	const rankOf = ({ node }: VipPod): number => (place.nodes.includes(node) ? place.nodes.indexOf(node) : 2);
	const pods = (await vipPods(place))
		.filter(({ isReady }) => isReady)
		.sort((a, b) => rankOf(a) - rankOf(b) || (a.node < b.node ? -1 : 1));
	const nodes = await Promise.all(pods.slice(0, 2).map((pod, index) => vipNode(place, pod, letters[index] ?? "?")));
	if (nodes.length < 2) throw new Error(`virtual IPs are ready on ${nodes.length} node, and a drill needs two`);
	// Before the address, so that its check never finds nothing.
	const port = randomInt(20_000, 30_000);
	for (const node of nodes) await startRemote(node, "http-service", [port]);
	return { nodes, others: [], given: await makeDrillAddress(place, nodes, port) };
}

/** Its owner, and the backup that comes next. */
async function named(place: DrillPlace, address: string): Promise<Chosen> {
	if (address.includes(":")) throw new Error(`${address}: drills probe IPv4 addresses only`);
	const pods = (await vipPods(place)).slice(0, mostNodes);
	const found = (
		await Promise.all(
			pods.map(async (pod) => {
				const { instances } = await (await vipNode(place, pod, "?")).status();
				const router = instances.find((one) => hasAddress(one, address));
				return router ? [{ pod, router }] : [];
			}),
		)
	).flat();
	const owner = found.find(({ router }) => router.state === "MASTER");
	const [next] = found
		.filter(({ router }) => router.state === "BACKUP")
		.sort((a, b) => b.router.priority - a.router.priority || numberOfIp(b.pod.nodeIp) - numberOfIp(a.pod.nodeIp));
	if (!owner) throw new Error(`no node owns ${address}: kubectl get virtualips -A`);
	if (!next) throw new Error(`${address} has no backup beside ${owner.pod.node}`);
	const nodes = await Promise.all([owner, next].map(({ pod }, index) => vipNode(place, pod, letters[index] ?? "?")));
	const others = found.map(({ pod }) => pod.node);
	return { nodes, others, given: { address, hasKey: false, remove: async () => {} } };
}

/** Of two with the same priority the higher address comes first. */
function numberOfIp(address: string): number {
	return Number(numberOf(address)?.value ?? 0n);
}

async function vipNode(place: DrillPlace, pod: NodePlace, letter: string): Promise<VipNode> {
	return new VipNode(place, await place.pods.onNode(pod.node), pod, letter);
}

/** One that never has the address: there the network tells of a new owner, as it tells any client. */
async function thirdNode({ pods }: DrillPlace, not: readonly string[]): Promise<NodePlace | undefined> {
	const { items } = (await pods.ask("GET", pathOf(nodeResource))) as {
		readonly items: readonly {
			readonly metadata: { readonly name: string };
			readonly spec: { readonly unschedulable?: boolean };
			readonly status: {
				readonly addresses?: readonly { readonly type: string; readonly address: string }[];
				readonly conditions?: readonly { readonly type: string; readonly status: string }[];
			};
		}[];
	};
	for (const { metadata, spec, status } of items) {
		const isReady = status.conditions?.some((one) => one.type === "Ready" && one.status === "True") === true;
		const nodeIp = status.addresses?.find((one) => one.type === "InternalIP" && !one.address.includes(":"))?.address;
		if (!isReady || spec.unschedulable || nodeIp === undefined) continue;
		if (!not.includes(metadata.name)) return { node: metadata.name, nodeIp };
	}
	return undefined;
}

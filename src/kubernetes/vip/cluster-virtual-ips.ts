// VirtualIPs of a cluster -> as one node runs them: nodes by their labels, peers by the nodes' addresses, unicast unless told
// otherwise. In: VirtualIPs and nodes. Out: VirtualIPs with every node named, and what is refused.

import type { VirtualIPNode, VirtualIPSpec } from "../../resources/kinds/virtual-ip.ts";
import type { Problem } from "../../resources/problem.ts";
import type { VirtualIp } from "../../vip/virtual-ip-config.ts";
import { addressOfFamily } from "./candidate-nodes.ts";
import { type ClusterNode, hasLabels } from "./cluster-objects.ts";

export interface ClusterVirtualIpInput {
	readonly virtualIps: readonly VirtualIp[];
	readonly nodes: readonly ClusterNode[];
	readonly nodeName: string;
	/** Keepmesh's own: only here may VirtualIPs name programs and files of the nodes. */
	readonly ownNamespace: string;
}

export interface ClusterVirtualIps {
	/** Those that this node has a part in. */
	readonly virtualIps: readonly VirtualIp[];
	readonly problems: readonly Problem[];
}

export function clusterVirtualIps(input: ClusterVirtualIpInput): ClusterVirtualIps {
	const problems: Problem[] = [];
	const names = new Map<string, number>();
	for (const { metadata } of input.virtualIps) names.set(metadata.name, (names.get(metadata.name) ?? 0) + 1);
	const virtualIps = input.virtualIps.flatMap((virtualIp): readonly VirtualIp[] => {
		const { metadata, spec } = virtualIp;
		const refused = metadata.namespace === input.ownNamespace ? [] : ofTheNode(spec);
		for (const path of refused)
			problems.push({
				severity: "error",
				origin: virtualIp.origin,
				resource: `VirtualIP ${metadata.namespace}/${metadata.name}`,
				path,
				message: "names a program, a file or a route of the nodes, outside of Keepmesh's own namespace",
				hint: `put the VirtualIP into namespace ${input.ownNamespace}`,
			});
		if (refused.length > 0) return [];
		const nodes = nodesFor(spec, input.nodes);
		if (!nodes.some(({ node }) => node === input.nodeName)) return [];
		const instanceName =
			spec.instanceName ??
			((names.get(metadata.name) ?? 0) > 1 ? `${metadata.namespace}/${metadata.name}` : metadata.name);
		const type = spec.transport?.type ?? "unicast";
		return [{ ...virtualIp, spec: { ...spec, nodes, transport: { ...spec.transport, type }, instanceName } }];
	});
	return { virtualIps, problems };
}

/** Those that are named, those with the labels; all when neither is said. */
function nodesFor(spec: VirtualIPSpec, nodes: readonly ClusterNode[]): readonly VirtualIPNode[] {
	const family = (spec.addresses[0] ?? "").split("/")[0]?.includes(":") ? "ipv6" : "ipv4";
	const named = spec.nodes ?? [];
	const all = named.length === 0 && spec.nodeSelector === undefined;
	const sourceOf = (node: ClusterNode | undefined): Pick<VirtualIPNode, "sourceAddress"> => {
		const sourceAddress = node && addressOfFamily(node, family);
		// Multicast goes out from whatever address the interface has.
		return sourceAddress === undefined || spec.transport?.type === "multicast" ? {} : { sourceAddress };
	};
	const chosen = nodes.filter(
		({ name, labels }) =>
			!named.some(({ node }) => node === name) &&
			(all || (spec.nodeSelector !== undefined && hasLabels(spec.nodeSelector, labels))),
	);
	return [
		...named.map((entry) => ({ ...sourceOf(nodes.find(({ name }) => name === entry.node)), ...entry })),
		...chosen
			.filter((node) => addressOfFamily(node, family) !== undefined)
			.map((node) => ({ node: node.name, ...sourceOf(node) }))
			.sort((a, b) => (a.node < b.node ? -1 : 1)),
	];
}

/** Whoever may write these is as good as root on the nodes. */
function ofTheNode(spec: VirtualIPSpec): readonly string[] {
	const paths: string[] = [];
	if (spec.notify) paths.push("spec.notify");
	if (spec.routes?.length) paths.push("spec.routes");
	if (spec.rules?.length) paths.push("spec.rules");
	if (spec.authentication?.keyFile !== undefined) paths.push("spec.authentication.keyFile");
	if (spec.lease?.directory !== undefined) paths.push("spec.lease.directory");
	for (const [index, check] of (spec.checks ?? []).entries()) {
		if (check.script) paths.push(`spec.checks[${index}].script`);
		if (check.file) paths.push(`spec.checks[${index}].file`);
	}
	return paths;
}

// Which flows must be forgotten after Services changed: conntrack would go on sending their packets to an endpoint that no longer serves,
// or past an address that has rules now. UDP as kube-proxy does it (pkg/proxy/conntrack/cleanup.go); of TCP those that nobody has answered:
// the client's next SYN, also one of a later connection from the same port, finds an endpoint that serves. Established ones are left
// alone, and so is a Service that nobody serves.

import type { Flow } from "../../kernel/conntrack-table.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";

/** By PROTOCOL ADDRESS PORT: who may answer there, as ADDRESS PORT. */
export type FlowFronts = ReadonlyMap<string, ReadonlySet<string>>;

export const cleanedProtocols = ["udp", "tcp"] as const;
export type CleanedProtocol = (typeof cleanedProtocols)[number];

/** Empty: there is nothing to look for. */
export function flowFronts(services: Iterable<Layer4Service>, node: NodeFacts): FlowFronts {
	const fronts = new Map<string, ReadonlySet<string>>();
	for (const service of services)
		for (const { protocol, port, nodePort, endpoints } of service.ports) {
			if (protocol !== "udp" && protocol !== "tcp") continue;
			const serving = endpoints.filter((endpoint) => endpoint.ready || endpoint.serving);
			if (serving.length === 0) continue;
			const answers = new Set(serving.map((endpoint) => place(endpoint.address, endpoint.port)));
			const { clusterAddresses, externalAddresses, loadBalancerAddresses } = service;
			for (const address of [...clusterAddresses, ...externalAddresses, ...loadBalancerAddresses])
				fronts.set(front(protocol, address, port), answers);
			if (nodePort !== undefined)
				for (const address of node.nodePortAddresses) fronts.set(front(protocol, address, nodePort), answers);
		}
	return fronts;
}

/** Of which there can be some: an endpoint stopped to serve; over UDP also when an address has its first one. */
export function protocolsWithStale(before: FlowFronts, after: FlowFronts): ReadonlySet<CleanedProtocol> {
	const found = new Set<CleanedProtocol>();
	for (const [name, answers] of after) {
		const protocol = name.startsWith("udp ") ? "udp" : "tcp";
		const had = before.get(name);
		if (had === undefined ? protocol === "udp" : [...had].some((one) => !answers.has(one))) found.add(protocol);
	}
	return found;
}

export function isStale(fronts: FlowFronts, { original, protocol, reply, status }: Flow): boolean {
	if (protocol === "tcp" && (status.seenReply || !status.destinationTranslated)) return false;
	const answers = fronts.get(front(protocol, original.destination, original.destinationPort));
	return answers !== undefined && !answers.has(place(reply.source, reply.sourcePort));
}

const place = (address: string, port: number): string => `${address} ${port}`;
const front = (protocol: Flow["protocol"], address: string, port: number): string =>
	`${protocol} ${place(address, port)}`;

// Which UDP flows must be forgotten after Services changed: conntrack would go on sending their packets to an endpoint that no
// longer serves, or past an address that has rules now. As kube-proxy does it (pkg/proxy/conntrack/cleanup.go): TCP is left
// alone, and so is a Service that nobody serves.

import type { Flow } from "../../kernel/conntrack-table.ts";
import type { Layer4Service } from "../../l4/layer4-service.ts";
import type { NodeFacts } from "../../l4/node-facts.ts";

/** By ADDRESS PORT: who may answer there, as ADDRESS PORT. */
export type UdpFronts = ReadonlyMap<string, ReadonlySet<string>>;

/** Empty: there is nothing to look for. */
export function udpFronts(services: Iterable<Layer4Service>, node: NodeFacts): UdpFronts {
	const fronts = new Map<string, ReadonlySet<string>>();
	for (const service of services)
		for (const { protocol, port, nodePort, endpoints } of service.ports) {
			if (protocol !== "udp") continue;
			const serving = endpoints.filter((endpoint) => endpoint.ready || endpoint.serving);
			if (serving.length === 0) continue;
			const answers = new Set(serving.map((endpoint) => place(endpoint.address, endpoint.port)));
			const { clusterAddresses, externalAddresses, loadBalancerAddresses } = service;
			for (const address of [...clusterAddresses, ...externalAddresses, ...loadBalancerAddresses])
				fronts.set(place(address, port), answers);
			if (nodePort !== undefined)
				for (const address of node.nodePortAddresses) fronts.set(place(address, nodePort), answers);
		}
	return fronts;
}

/** An endpoint stopped to serve, or an address has its first one: only then can there be flows that lead elsewhere. */
export function mayHaveStale(before: UdpFronts, after: UdpFronts): boolean {
	return [...after].some(([front, answers]) => {
		const had = before.get(front);
		return had === undefined || [...had].some((one) => !answers.has(one));
	});
}

export function isStale(fronts: UdpFronts, { original, reply }: Flow): boolean {
	const answers = fronts.get(place(original.destination, original.destinationPort));
	return answers !== undefined && !answers.has(place(reply.source, reply.sourcePort));
}

const place = (address: string, port: number): string => `${address} ${port}`;

// One Service and one node -> what that node does with connections to each of the Service's addresses and node ports, as
// kube-proxy 1.36 would (pkg/proxy/topology.go, nftables/proxier.go).

import type { Answer, Backend, Balancer, Forwarding, Front, IpFamily } from "../balancer.ts";
import type { Layer4Endpoint, Layer4Port, Layer4Service } from "../layer4-service.ts";
import { layer4Key } from "../layer4-service.ts";
import type { NodeFacts } from "../node-facts.ts";
import { familyOf, rangeHolds } from "./canonical-address.ts";
import { localTrafficOf } from "./local-traffic.ts";
import { isLocal, usableEndpoints } from "./usable-endpoints.ts";

export function planService(service: Layer4Service, node: NodeFacts): readonly Balancer[] {
	const ranges = new Map(node.families.map((family) => [family, sourceRanges(service, family, node)]));
	const balancers: Balancer[] = [];
	for (const port of service.ports)
		for (const family of familiesOf(service, node))
			balancers.push(...planPort(service, port, family, ranges.get(family), node));
	return balancers;
}

/** `NAMESPACE/NAME:PORTNAME`; without the colon for a nameless port. */
export function ownerOf(service: Layer4Service, port: Layer4Port): string {
	return port.name === "" ? layer4Key(service) : `${layer4Key(service)}:${port.name}`;
}

/** Those of its cluster addresses. A Service that never saw an API server has none: then all. */
function familiesOf(service: Layer4Service, node: NodeFacts): readonly IpFamily[] {
	const own = service.clusterAddresses.map(familyOf);
	return node.families.filter((family) => own.length === 0 || own.includes(family));
}

function planPort(
	service: Layer4Service,
	port: Layer4Port,
	family: IpFamily,
	ranges: readonly string[] | undefined,
	node: NodeFacts,
): readonly Balancer[] {
	const answers = answersOf(service, port, family, node);
	const common = {
		owner: ownerOf(service, port),
		protocol: port.protocol,
		scheduler: service.scheduler ?? node.scheduler,
		...(service.affinity === undefined ? {} : { affinity: service.affinity }),
	};
	const external = {
		outside: answers.outside,
		...(answers.inside === undefined ? {} : { inside: answers.inside }),
	};
	const balancers: Balancer[] = [];
	const taken = new Set<string>();
	const add = (
		type: Exclude<AddressFront["type"], "virtualServer">,
		addresses: readonly string[],
		rest: Rest,
	): void => {
		for (const address of addresses) {
			if (familyOf(address) !== family || taken.has(address)) continue;
			taken.add(address);
			balancers.push({ ...common, front: { family, type, address }, port: port.port, ...rest });
		}
	};
	add("clusterIP", service.clusterAddresses, { outside: answers.cluster });
	// An address that is both is filtered as a load balancer's.
	add("loadBalancerIP", service.loadBalancerAddresses, { ...external, ...(ranges && { sourceRanges: ranges }) });
	add("externalIP", service.externalAddresses, external);
	if (port.nodePort !== undefined)
		balancers.push({ ...common, front: { family, type: "nodePort" }, port: port.nodePort, ...external });
	return balancers;
}

type AddressFront = Extract<Front, { address: string }>;
type Rest = Pick<Balancer, "outside" | "inside" | "sourceRanges">;

interface Answers {
	readonly cluster: Answer;
	readonly outside: Answer;
	readonly inside?: Answer;
}

function answersOf(service: Layer4Service, port: Layer4Port, family: IpFamily, node: NodeFacts): Answers {
	const endpoints = port.endpoints.filter((endpoint) => familyOf(endpoint.address) === family);
	const usable = usableEndpoints(endpoints, node);
	if (usable.cluster.length === 0) return { cluster: reject, outside: reject };
	const backends = new Map<Layer4Endpoint, Backend>();
	const backendOf = (endpoint: Layer4Endpoint): Backend => {
		const known = backends.get(endpoint) ?? newBackend(endpoint, node);
		backends.set(endpoint, known);
		return known;
	};
	const everywhere = usable.cluster.map(backendOf);
	const here = isSameList(usable.local, usable.cluster) ? everywhere : usable.local.map(backendOf);
	const knowsPods = localTrafficOf(node, family) !== undefined;
	const clusterPool = service.internalPolicy === "Local" ? here : everywhere;
	const cluster = balanceOrDrop(
		clusterPool,
		node.masqueradeAll ? "always" : knowsPods ? "fromOutsideCluster" : "never",
	);
	if (service.externalPolicy === "Cluster") return { cluster, outside: balanceOrDrop(everywhere, "always") };
	return {
		cluster,
		outside: balanceOrDrop(here, "never"),
		// As if it went out to a load balancer and came back in. The node itself would come from the load balancer's address
		// where it has that, so its own is hidden; its pods' is kept where they can be told apart.
		inside: balanceOrDrop(everywhere, knowsPods ? "fromOutsideCluster" : "always"),
	};
}

const reject: Answer = { type: "reject" };
const drop: Answer = { type: "drop" };
const nat: Forwarding = { method: "NAT" };

function balanceOrDrop(
	backends: readonly Backend[],
	masquerade: Extract<Answer, { type: "balance" }>["masquerade"],
): Answer {
	return backends.length === 0 ? drop : { type: "balance", backends, masquerade };
}

function newBackend(endpoint: Layer4Endpoint, node: NodeFacts): Backend {
	return {
		address: endpoint.address,
		port: endpoint.port,
		weight: 1,
		local: isLocal(endpoint, node),
		forwarding: nat,
	};
}

function isSameList<T>(a: readonly T[], b: readonly T[]): boolean {
	return a.length === b.length && a.every((one, index) => one === b[index]);
}

/** Of one family; undefined: everybody. Only a load balancer's addresses have them, never node ports. */
function sourceRanges(service: Layer4Service, family: IpFamily, node: NodeFacts): readonly string[] | undefined {
	const ranges = service.sourceRanges.filter((range) => familyOf(range) === family);
	if (ranges.length === 0 || ranges.some((range) => range.endsWith("/0"))) return undefined;
	const own = node.nodeAddresses ?? node.nodePortAddresses;
	if (!own.some((address) => ranges.some((range) => rangeHolds(range, address)))) return ranges;
	// A node that has the address itself comes from it.
	const addresses = service.loadBalancerAddresses.filter((address) => familyOf(address) === family);
	const hosts = addresses.map((address) => `${address}/${family === "ipv4" ? 32 : 128}`);
	return [...new Set([...ranges, ...hosts])];
}

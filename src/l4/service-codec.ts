// A Service as it travels from control planes to nodes: one xDS resource each, UTF-8 JSON of Layer4Service without what says
// nothing. Fields that a reader does not know are skipped, so that older nodes take what newer control planes send.

import type { Layer4Endpoint, Layer4Port, Layer4Protocol, Layer4Service } from "./layer4-service.ts";
import { type SchedulerName, schedulerNames } from "./scheduler.ts";
import { unallocatedKinds } from "./services/unallocated.ts";

/** Resources are named NAMESPACE/NAME. */
export const layer4ServiceTypeUrl = "type.googleapis.com/keepmesh.l4.v1.Service";

/** Equal services have equal bytes. */
export function encodeLayer4Service(service: Layer4Service): Uint8Array {
	return new TextEncoder().encode(JSON.stringify(written(service)));
}

/** Undefined when the bytes are no Service. A port or an endpoint that makes no sense is left out. */
export function decodeLayer4Service(bytes: Uint8Array): Layer4Service | undefined {
	let value: unknown;
	try {
		value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch {
		return undefined;
	}
	if (!isObject(value)) return undefined;
	const { namespace, name, affinitySec, healthCheckNodePort, trafficDistribution, scheduler, backend } = value;
	const unallocated = unallocatedKinds.filter((kind) => list(value.unallocated).includes(kind));
	if (!isText(namespace) || !isText(name)) return undefined;
	return {
		namespace,
		name,
		clusterAddresses: texts(value.clusterAddresses),
		externalAddresses: texts(value.externalAddresses),
		loadBalancerAddresses: texts(value.loadBalancerAddresses),
		ports: list(value.ports).flatMap(readPort),
		...(isPositive(affinitySec) ? { affinity: { timeoutSec: affinitySec } } : {}),
		externalPolicy: policy(value.externalPolicy),
		internalPolicy: policy(value.internalPolicy),
		sourceRanges: texts(value.sourceRanges),
		...(isPort(healthCheckNodePort) ? { healthCheckNodePort } : {}),
		...(isText(trafficDistribution) ? { trafficDistribution } : {}),
		...(isScheduler(scheduler) ? { scheduler } : {}),
		...(backend === "nftables" || backend === "ipvs" ? { backend } : {}),
		...(unallocated.length > 0 ? { unallocated } : {}),
	};
}

function written(service: Layer4Service): object {
	return {
		namespace: service.namespace,
		name: service.name,
		clusterAddresses: orNothing(service.clusterAddresses),
		externalAddresses: orNothing(service.externalAddresses),
		loadBalancerAddresses: orNothing(service.loadBalancerAddresses),
		ports: service.ports.map(writtenPort),
		affinitySec: service.affinity?.timeoutSec,
		externalPolicy: service.externalPolicy === "Local" ? "Local" : undefined,
		internalPolicy: service.internalPolicy === "Local" ? "Local" : undefined,
		sourceRanges: orNothing(service.sourceRanges),
		healthCheckNodePort: service.healthCheckNodePort,
		trafficDistribution: service.trafficDistribution,
		scheduler: service.scheduler,
		backend: service.backend,
		unallocated: service.unallocated,
	};
}

function writtenPort({ name, protocol, port, nodePort, endpoints }: Layer4Port): object {
	return { name: name === "" ? undefined : name, protocol, port, nodePort, endpoints: endpoints.map(writtenEndpoint) };
}

function writtenEndpoint(endpoint: Layer4Endpoint): object {
	return {
		address: endpoint.address,
		port: endpoint.port,
		node: endpoint.node,
		zone: endpoint.zone,
		ready: endpoint.ready ? undefined : false,
		serving: endpoint.serving ? undefined : false,
		terminating: endpoint.terminating ? true : undefined,
		hintZones: endpoint.hintZones,
		hintNodes: endpoint.hintNodes,
	};
}

function readPort(value: unknown): readonly Layer4Port[] {
	if (!isObject(value)) return [];
	const { name, protocol, port, nodePort } = value;
	if (!isPort(port) || !isProtocol(protocol)) return [];
	return [
		{
			name: isText(name) ? name : "",
			protocol,
			port,
			...(isPort(nodePort) ? { nodePort } : {}),
			endpoints: list(value.endpoints).flatMap(readEndpoint),
		},
	];
}

function readEndpoint(value: unknown): readonly Layer4Endpoint[] {
	if (!isObject(value)) return [];
	const { address, port, node, zone, hintZones, hintNodes } = value;
	if (!isText(address) || !isPort(port)) return [];
	return [
		{
			address,
			port,
			...(isText(node) ? { node } : {}),
			...(isText(zone) ? { zone } : {}),
			ready: value.ready !== false,
			serving: value.serving !== false,
			terminating: value.terminating === true,
			...(Array.isArray(hintZones) ? { hintZones: texts(hintZones) } : {}),
			...(Array.isArray(hintNodes) ? { hintNodes: texts(hintNodes) } : {}),
		},
	];
}

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
	typeof value === "object" && value !== null && !Array.isArray(value);
const isText = (value: unknown): value is string => typeof value === "string" && value !== "";
const isPositive = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0;
const isPort = (value: unknown): value is number => isPositive(value) && value <= 65_535;
const isProtocol = (value: unknown): value is Layer4Protocol => value === "tcp" || value === "udp" || value === "sctp";
const isScheduler = (value: unknown): value is SchedulerName => schedulerNames.some((name) => name === value);
const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const texts = (value: unknown): readonly string[] => list(value).filter(isText);
const policy = (value: unknown): "Cluster" | "Local" => (value === "Local" ? "Local" : "Cluster");
const orNothing = (values: readonly string[]): readonly string[] | undefined =>
	values.length === 0 ? undefined : values;

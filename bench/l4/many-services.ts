// Services by the thousand: number -> Layer4Service, each with its own cluster address and its own endpoints.

import { type Layer4Endpoint, type Layer4Service, layer4Key } from "../../src/l4/layer4-service.ts";

export const servicePort = 80;
export const endpointPort = 8080;

export function serviceAddress(number: number): string {
	return `10.${96 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
}

/** The next endpoints of a Service have numbers above `perService * services`. */
export function endpointAddress(number: number): string {
	return `10.${128 + (number >> 16)}.${(number >> 8) & 255}.${number & 255}`;
}

export function manyServices(count: number, perService: number): ReadonlyMap<string, Layer4Service> {
	const services = new Map<string, Layer4Service>();
	for (let number = 0; number < count; number++) {
		const numbers = Array.from({ length: perService }, (_, index) => number * perService + index + 1);
		const service = oneService(number, numbers.map(endpointAddress));
		services.set(layer4Key(service), service);
	}
	return services;
}

/** With one TCP and one UDP port of the same number when `protocols` says so. */
export function oneService(
	number: number,
	addresses: readonly string[],
	protocols: readonly ("tcp" | "udp")[] = ["tcp"],
): Layer4Service {
	const endpoints = addresses.map(aReadyEndpoint);
	return {
		namespace: "bench",
		name: `service-${number}`,
		clusterAddresses: [serviceAddress(number)],
		externalAddresses: [],
		loadBalancerAddresses: [],
		ports: protocols.map((protocol) => ({ name: protocol, protocol, port: servicePort, endpoints })),
		externalPolicy: "Cluster",
		internalPolicy: "Cluster",
		sourceRanges: [],
	};
}

function aReadyEndpoint(address: string): Layer4Endpoint {
	return { address, port: endpointPort, node: "node-2", ready: true, serving: true, terminating: false };
}

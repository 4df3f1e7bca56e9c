// A mesh of the size of the real one, made without the pipeline: to measure the wire layer alone. Every resource has random
// bytes of the usual length, so nothing of it can be shared by accident.

import { encodedFromBytes, resourcePart } from "../../src/envoy/encode-resource.ts";
import { type EncodedResource, type ProxyConfig, type ResourcePart, typeUrls } from "../../src/xds/resource.ts";

export interface SyntheticMesh {
	configFor(proxyId: string): ProxyConfig;
	/** Replaces the endpoints of one service. */
	changeEndpoint(round: number): void;
}

export function createSyntheticMesh(services: number): SyntheticMesh {
	const hosts = Array.from({ length: services }, (_, index) => `service-${index}.bench.svc.cluster.local`);
	const clusterName = (host: string): string => `outbound|8080||${host}`;
	const random = (typeUrl: string, name: string, bytes: number): EncodedResource =>
		encodedFromBytes(name, typeUrl, crypto.getRandomValues(new Uint8Array(bytes)));
	const clusters = resourcePart(hosts.map((host) => random(typeUrls.cluster, clusterName(host), 550)));
	const listeners = resourcePart(hosts.map((host) => random(typeUrls.listener, `240.240.0.1_${host}`, 1_500)));
	const routes = resourcePart(
		Array.from({ length: 40 }, (_, index) => random(typeUrls.route, `${8000 + index}`, Math.round(services * 8))),
	);
	let assignments = hosts.map((host) => random(typeUrls.endpoints, clusterName(host), 1_764));
	let endpoints = resourcePart(assignments);
	const own = new Map<string, ResourcePart>();
	return {
		configFor(proxyId): ProxyConfig {
			let inbound = own.get(proxyId);
			if (!inbound) {
				inbound = resourcePart([random(typeUrls.listener, "virtualInbound", 6_000)]);
				own.set(proxyId, inbound);
			}
			return new Map([
				[typeUrls.cluster, { typeUrl: typeUrls.cluster, parts: [clusters] }],
				[typeUrls.endpoints, { typeUrl: typeUrls.endpoints, parts: [endpoints] }],
				[typeUrls.listener, { typeUrl: typeUrls.listener, parts: [listeners, inbound] }],
				[typeUrls.route, { typeUrl: typeUrls.route, parts: [routes] }],
			]);
		},
		changeEndpoint(round) {
			const host = hosts[(round * 7) % hosts.length] ?? "";
			assignments = assignments.map((assignment) =>
				assignment.name === clusterName(host) ? random(typeUrls.endpoints, assignment.name, 1_764) : assignment,
			);
			endpoints = resourcePart(assignments);
		},
	};
}

// The real pipeline: resources as a source would give them -> snapshot -> views -> generation -> publication.

import { ControlPlane } from "../../src/app/control/control-plane.ts";
import {
	aDestinationRule,
	anEndpointSlice,
	aPod,
	applied,
	aService,
	aVirtualService,
} from "../../src/model/model.testing.ts";
import type { AnyObject } from "../../src/resources/config-object.ts";
import { realClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { createMetrics } from "../../src/runtime/metrics.ts";
import { proxyFromNode } from "../../src/snapshot/proxy-from-node.ts";
import { controlMetrics } from "../../src/telemetry/control-metrics.ts";
import type { BenchMesh } from "./bench-mesh.ts";

const endpointsPerService = 20;
const meta = { namespace: "bench" };

export function createPipelineMesh(services: number, onPublished: (proxyIds: readonly string[]) => void): BenchMesh {
	const plane = new ControlPlane(
		{},
		{ clock: realClock, log: silentLog, metrics: controlMetrics(createMetrics()), onPublished },
	);
	return {
		async ready() {
			plane.change(applied(...meshObjects(services)));
			plane.flush();
		},
		connect(node) {
			const found = proxyFromNode(node);
			if (!found.ok) throw new Error(found.because);
			plane.connect(found.proxy);
			return found.proxy.id;
		},
		disconnect: (proxyId) => plane.disconnect(proxyId),
		configFor: (proxyId) => plane.configFor(proxyId),
		changeEndpoint(round) {
			const service = (round * 7) % services;
			plane.change(applied(endpointSlice(service, round + 1)));
		},
	};
}

/** Kubernetes services with endpoints; every tenth has subsets, a canary with a header rule, and outlier detection. */
function meshObjects(services: number): readonly AnyObject[] {
	const objects: AnyObject[] = [];
	for (let index = 0; index < services; index++) {
		const name = serviceName(index);
		const spec = { clusterIP: `10.96.${index >> 8}.${index & 255}`, ports: [{ name: "http", port: 8080 }] };
		objects.push(aService(name, { ...spec, selector: { app: name } }, meta), endpointSlice(index, 0));
		if (index % 10 !== 0) continue;
		for (let member = 0; member < endpointsPerService; member++) {
			const labels = { app: name, version: `v${(member % 2) + 1}` };
			objects.push(aPod(podName(index, member), address(index, member, 0), {}, { ...meta, labels }));
		}
		const subsets = ["v1", "v2"].map((version) => ({ name: version, labels: { version } }));
		const trafficPolicy = { outlierDetection: { consecutive5xxErrors: 5 } };
		objects.push(aDestinationRule(name, { host: name, subsets, trafficPolicy }, meta));
		const v1 = { host: name, subset: "v1" };
		const v2 = { host: name, subset: "v2" };
		const http = [
			{ match: [{ headers: { "end-user": { exact: "jason" } } }], route: [{ destination: v2 }] },
			{
				route: [
					{ destination: v1, weight: 90 },
					{ destination: v2, weight: 10 },
				],
				timeout: "10s",
				retries: { attempts: 3 },
			},
		];
		objects.push(aVirtualService(name, { hosts: [name], http }, meta));
	}
	return objects;
}

function endpointSlice(index: number, generation: number): AnyObject {
	const endpoints = Array.from({ length: endpointsPerService }, (_, member) => ({
		addresses: [address(index, member, member === endpointsPerService - 1 ? generation : 0)],
		conditions: { ready: true },
		...(index % 10 === 0 && { targetRef: { kind: "Pod", name: podName(index, member), namespace: "bench" } }),
	}));
	return anEndpointSlice(serviceName(index), endpoints, [{ name: "http", port: 8080 }], meta);
}

const serviceName = (index: number): string => `service-${String(index).padStart(4, "0")}`;
const podName = (index: number, member: number): string => `${serviceName(index)}-${member}`;
const address = (index: number, member: number, generation: number): string =>
	`10.${16 + (index >> 8)}.${index & 255}.${generation === 0 ? member + 1 : 40 + (generation % 200)}`;

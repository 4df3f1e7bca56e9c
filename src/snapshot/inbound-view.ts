// What a sidecar receives: the target ports of the services in front of its workload, found by the endpoints at its addresses
// and, so that it is configured before it is ready, by the services whose selector takes its labels in.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { MeshService, ServicePort } from "../model/service.ts";
import type { InboundPort, InboundView } from "../model/view.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { compareText } from "../resources/config-object.ts";
import type { SidecarSpec } from "../resources/kinds/networking.ts";
import { targetPortOn } from "./kubernetes-endpoints.ts";
import { selectedBy } from "./label-selector.ts";
import { objectNamed } from "./object-store.ts";
import { protocolNamed } from "./protocol-selection.ts";
import { keepIdentity } from "./same-value.ts";
import { sidecarFor } from "./sidecar-selection.ts";
import type { Snapshot } from "./snapshot.ts";
import { inboundSecurityFor } from "./workload-security.ts";

/** A service port that leads to the workload, and the port of the workload that it leads to. */
export interface ServiceTarget {
	readonly service: MeshService;
	readonly servicePort: ServicePort;
	readonly targetPort: number;
}

/** The same object as before for this proxy when nothing that it shows changed. */
export function inboundViewFor(snapshot: Snapshot, proxy: MeshProxy): InboundView {
	const { routing, memo } = snapshot;
	const spec = sidecarFor(routing, proxy)?.spec;
	const targets = serviceTargetsOf(snapshot, proxy);
	const ports = (spec?.ingress ?? []).length > 0 ? ingressPorts(spec, targets) : servicePorts(spec, targets);
	const security = inboundSecurityFor(snapshot, proxy);
	const view = keepIdentity(memo.inbound.get(proxy), {
		mesh: routing.guardMesh,
		namespace: proxy.namespace,
		interceptionMode: proxy.interceptionMode,
		addresses: proxy.ipAddresses,
		ports,
		...(security === undefined ? {} : { security }),
	});
	memo.inbound.set(proxy, view);
	return view;
}

/** Services of the proxy's own namespace only; the oldest service first. */
export function serviceTargetsOf(snapshot: Snapshot, proxy: MeshProxy): readonly ServiceTarget[] {
	const { registry } = snapshot.routing;
	const found = new Map<string, ServiceTarget>();
	const add = (target: ServiceTarget) =>
		found.set(`${target.service.key}|${target.servicePort.number}|${target.targetPort}`, target);
	for (const address of proxy.ipAddresses) {
		for (const key of snapshot.endpoints.servicesAt.get(address) ?? []) {
			const service = registry.byKey.get(key)?.service;
			if (service === undefined || service.namespace !== proxy.namespace) continue;
			for (const servicePort of service.ports)
				for (const endpoint of snapshot.endpoints.byService.get(key)?.byPort.get(servicePort.number) ?? [])
					if (endpoint.address === address) add({ service, servicePort, targetPort: endpoint.port });
		}
	}
	const pod = podOf(snapshot, proxy);
	for (const key of selectedBy(registry.selectors, proxy.namespace, proxy.labels)) {
		const service = registry.byKey.get(key)?.service;
		for (const servicePort of service?.ports ?? []) {
			const targetPort = targetPortOn(pod, servicePort);
			if (service !== undefined && targetPort !== undefined) add({ service, servicePort, targetPort });
		}
	}
	return [...found.values()].sort(
		(a, b) =>
			a.service.createdMs - b.service.createdMs ||
			compareText(a.service.name, b.service.name) ||
			compareText(a.service.hostname, b.service.hostname) ||
			a.servicePort.number - b.servicePort.number,
	);
}

function podOf(snapshot: Snapshot, proxy: MeshProxy): ConfigObject<"Pod"> | undefined {
	const named = objectNamed(snapshot.objects, "Pod", proxy.namespace, proxy.name);
	if (named !== undefined) return named;
	return snapshot.endpoints.podsAt
		.get(proxy.ipAddresses[0] ?? "")
		?.find((pod) => pod.metadata.namespace === proxy.namespace);
}

function servicePorts(spec: SidecarSpec | undefined, targets: readonly ServiceTarget[]): readonly InboundPort[] {
	const ports = new Map<number, InboundPort>();
	for (const { service, servicePort, targetPort } of targets) {
		if (ports.has(targetPort)) continue;
		ports.set(targetPort, {
			targetPort,
			protocol: servicePort.protocol,
			service,
			servicePort,
			...connectionPool(spec?.inboundConnectionPool),
		});
	}
	return [...ports.values()].sort((a, b) => a.targetPort - b.targetPort);
}

/** With ingress, only the ports that it names are received. */
function ingressPorts(spec: SidecarSpec | undefined, targets: readonly ServiceTarget[]): readonly InboundPort[] {
	const ports = new Map<number, InboundPort>();
	for (const ingress of spec?.ingress ?? []) {
		const number = ingress.port.number;
		if (ports.has(number)) continue;
		const target = targets.find((one) => one.targetPort === number);
		ports.set(number, {
			targetPort: number,
			protocol: protocolNamed(ingress.port.protocol ?? "") ?? "AUTO",
			...(target === undefined ? {} : { service: target.service, servicePort: target.servicePort }),
			...(ingress.defaultEndpoint ? { defaultEndpoint: ingress.defaultEndpoint } : {}),
			...connectionPool(ingress.connectionPool ?? spec?.inboundConnectionPool),
		});
	}
	return [...ports.values()].sort((a, b) => a.targetPort - b.targetPort);
}

function connectionPool(pool: SidecarSpec["inboundConnectionPool"]): Pick<InboundPort, "connectionPool"> {
	return pool === undefined ? {} : { connectionPool: pool };
}

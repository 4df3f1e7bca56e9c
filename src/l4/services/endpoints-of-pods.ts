// Pods -> the endpoints of one port of a Service, where no EndpointSlice of it exists at all (plain files, no Kubernetes): what
// the EndpointSlice controller would write, hints of trafficDistribution among it.

import type { ConfigObject } from "../../resources/config-object.ts";
import type { KubernetesServicePort } from "../../resources/kinds/core.ts";
import { addressesOfPod, readinessOfPod } from "../../snapshot/workload-facts.ts";
import type { Layer4Endpoint } from "../layer4-service.ts";
import { canonicalAddress } from "./canonical-address.ts";
import { FoundEndpoints } from "./endpoints-of-slices.ts";

type Pod = ConfigObject<"Pod">;

export function endpointsOfPods(
	service: ConfigObject<"Service">,
	pods: readonly Pod[],
	port: KubernetesServicePort,
): readonly Layer4Endpoint[] {
	const found = new FoundEndpoints();
	for (const pod of pods) {
		if (!isSelected(pod, service) || readinessOfPod(pod) === "gone") continue;
		const number = targetPortOn(pod, port);
		if (number === undefined) continue;
		const about = { port: number, ...placeOf(pod, service), ...conditionsOf(pod, service) };
		for (const text of addressesOfPod(pod)) {
			const address = canonicalAddress(text);
			if (address !== undefined) found.add(address, { address: address.text, ...about });
		}
	}
	return found.inOrder();
}

function isSelected(pod: Pod, service: ConfigObject<"Service">): boolean {
	if (pod.metadata.namespace !== service.metadata.namespace) return false;
	const wanted = Object.entries(service.spec.selector ?? {});
	return wanted.length > 0 && wanted.every(([key, value]) => pod.metadata.labels[key] === value);
}

/** A named port is looked up in the pod's containers, by name and protocol. */
function targetPortOn(pod: Pod, port: KubernetesServicePort): number | undefined {
	const target = port.targetPort || port.port;
	if (typeof target === "number") return target;
	if (/^\d+$/.test(target)) return Number(target);
	const containers = [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])];
	return containers
		.flatMap(({ ports = [] }) => ports)
		.find(({ name, protocol = "TCP" }) => name === target && protocol === (port.protocol ?? "TCP"))?.containerPort;
}

function conditionsOf(
	pod: Pod,
	service: ConfigObject<"Service">,
): Pick<Layer4Endpoint, "ready" | "serving" | "terminating"> {
	const condition = pod.spec.status?.conditions?.find(({ type }) => type === "Ready");
	const serving = condition === undefined || condition.status === "True";
	const terminating = pod.metadata.deletedMs !== undefined;
	const ready = service.spec.publishNotReadyAddresses === true || (serving && !terminating);
	return { ready, serving, terminating };
}

function placeOf(pod: Pod, service: ConfigObject<"Service">): Partial<Layer4Endpoint> {
	const node = pod.spec.nodeName;
	const zone = pod.metadata.labels["topology.kubernetes.io/zone"];
	const prefers = service.spec.trafficDistribution;
	const bySame = prefers === "PreferSameNode" || prefers === "PreferSameZone" || prefers === "PreferClose";
	return {
		...(node ? { node } : {}),
		...(zone ? { zone } : {}),
		...(zone && bySame ? { hintZones: [zone] } : {}),
		...(node && prefers === "PreferSameNode" ? { hintNodes: [node] } : {}),
	};
}

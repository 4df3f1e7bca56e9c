// What endpoints take over from the Pod or WorkloadEntry behind them: labels, identity, place, and the name of the workload.

import type { Endpoint, Locality } from "../model/endpoint.ts";
import type { ConfigObject, ObjectMeta } from "../resources/config-object.ts";
import type { WorkloadEntrySpec } from "../resources/kinds/networking.ts";

type Labels = Readonly<Record<string, string>>;

/** The parts of an Endpoint that do not depend on the service. */
export type WorkloadFacts = Omit<Endpoint, "address" | "port" | "health" | "weight" | "hostname">;

export interface Surroundings {
	readonly clusterId: string;
	readonly network: string;
}

/** On a WorkloadEntry: the node that runs it. */
export const nodeAnnotation = "keepmesh.io/node";

export const noLocality: Locality = { region: "", zone: "", subzone: "" };

export function factsOfPod(pod: ConfigObject<"Pod">, zone: string | undefined, where: Surroundings): WorkloadFacts {
	const { labels, namespace } = pod.metadata;
	return {
		labels,
		locality: localityOfLabels(labels, zone),
		network: labels["topology.istio.io/network"] ?? where.network,
		clusterId: where.clusterId,
		namespace,
		workload: workloadNameOf(pod),
		serviceAccount: pod.spec.serviceAccountName ?? "default",
		tlsMode: labels["security.istio.io/tlsMode"] === "istio" ? "istio" : "disabled",
	};
}

/** `name` is the WorkloadEntry's, or the ServiceEntry's for an endpoint written inside it. */
export function factsOfWorkloadEntry(
	entry: WorkloadEntrySpec,
	name: string,
	namespace: string,
	where: Surroundings,
): WorkloadFacts {
	const labels = entry.labels ?? {};
	const declared = labels["security.istio.io/tlsMode"];
	const speaksTls = declared === undefined ? (entry.serviceAccount ?? "") !== "" : declared === "istio";
	return {
		labels,
		locality: entry.locality === undefined ? localityOfLabels(labels, undefined) : parseLocality(entry.locality, "/"),
		network: entry.network ?? labels["topology.istio.io/network"] ?? where.network,
		clusterId: where.clusterId,
		namespace,
		workload: name,
		serviceAccount: entry.serviceAccount ?? "",
		tlsMode: speaksTls ? "istio" : "disabled",
	};
}

/** `us-east/us-east-1/rack7`; parts may be missing. */
export function parseLocality(text: string, separator: string): Locality {
	const [region = "", zone = "", subzone = ""] = text.split(separator);
	return { region, zone, subzone };
}

/** The label `istio-locality` (parts joined by dots) overrules the topology labels. */
export function localityOfLabels(labels: Labels, zone: string | undefined): Locality {
	const written = labels["istio-locality"];
	if (written !== undefined) return parseLocality(written, written.includes("/") ? "/" : ".");
	return {
		region: labels["topology.kubernetes.io/region"] ?? labels["failure-domain.beta.kubernetes.io/region"] ?? "",
		zone: labels["topology.kubernetes.io/zone"] ?? labels["failure-domain.beta.kubernetes.io/zone"] ?? zone ?? "",
		subzone: labels["topology.istio.io/subzone"] ?? "",
	};
}

/** Name of the Deployment, StatefulSet or Job that made the pod, told from the labels they put on it; else the pod's name. */
export function workloadNameOf(pod: { readonly metadata: Pick<ObjectMeta, "name" | "labels"> }): string {
	const { name, labels } = pod.metadata;
	const hash = labels["pod-template-hash"];
	const ofDeployment = hash === undefined ? -1 : name.lastIndexOf(`-${hash}-`);
	if (ofDeployment > 0) return name.slice(0, ofDeployment);
	if (labels["statefulset.kubernetes.io/pod-name"] === name) return name.replace(/-\d+$/, "");
	return labels["job-name"] ?? name;
}

export type PodReadiness = "ready" | "notReady" | "terminating" | "gone";

/**
 * Condition of a Pod, made up by who reads it from an API server: all of it is ready but its proxy, and its node has other ways for
 * its connections. Kubernetes takes such a Pod out of its Services; the mesh goes on.
 */
export const servedWithoutProxy = "keepmesh.io/served-without-proxy";

export function isServedWithoutProxy(pod: ConfigObject<"Pod">): boolean {
	return (
		pod.spec.status?.conditions?.some(({ status, type }) => type === servedWithoutProxy && status === "True") ?? false
	);
}

/** `gone`: it has no address or has run to its end. */
export function readinessOfPod(pod: ConfigObject<"Pod">): PodReadiness {
	const status = pod.spec.status;
	if (addressesOfPod(pod).length === 0 || status?.phase === "Succeeded" || status?.phase === "Failed") return "gone";
	if (pod.metadata.deletedMs !== undefined) return "terminating";
	const ready = status?.conditions?.find((condition) => condition.type === "Ready");
	return ready === undefined || ready.status === "True" ? "ready" : "notReady";
}

export function addressesOfPod(pod: ConfigObject<"Pod">): readonly string[] {
	const status = pod.spec.status;
	const all = (status?.podIPs ?? []).map((one) => one.ip);
	const first = status?.podIP ?? "";
	return first === "" || all.includes(first) ? all : [first, ...all];
}

/** Number of a container port by name, as a Service's targetPort gives it. */
export function containerPortNamed(pod: ConfigObject<"Pod">, name: string): number | undefined {
	for (const container of [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])]) {
		const port = container.ports?.find((one) => one.name === name && (one.protocol ?? "TCP") === "TCP");
		if (port !== undefined) return port.containerPort;
	}
	return undefined;
}

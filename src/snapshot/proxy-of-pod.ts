// A pod or a machine that is not connected -> the proxy that it would have, for showing what would be in force for it.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { ConfigObject, ObjectMeta } from "../resources/config-object.ts";
import type { SnapshotOptions } from "./snapshot.ts";
import { addressesOfPod, factsOfPod, factsOfWorkloadEntry, type WorkloadFacts } from "./workload-facts.ts";

/** The label `security.istio.io/tlsMode: istio`, put on by the injector, says that there is one and that it has a certificate. */
export function podHasProxy(pod: ConfigObject<"Pod">): boolean {
	return pod.metadata.labels["security.istio.io/tlsMode"] === "istio";
}

export function proxyOfPod(pod: ConfigObject<"Pod">, options: SnapshotOptions): MeshProxy {
	return proxyOf(pod.metadata, addressesOfPod(pod), factsOfPod(pod, undefined, options), podHasProxy(pod), options);
}

/** Of a machine; its own proxy has the machine's name, which the entry does not say. */
export function proxyOfWorkloadEntry(entry: ConfigObject<"WorkloadEntry">, options: SnapshotOptions): MeshProxy {
	const { metadata, spec } = entry;
	const facts = factsOfWorkloadEntry(spec, metadata.name, metadata.namespace, options);
	return proxyOf(metadata, addressesOfEntry(entry), facts, facts.tlsMode === "istio", options);
}

export function addressesOfEntry({ spec }: ConfigObject<"WorkloadEntry">): readonly string[] {
	return spec.address === undefined ? [] : [spec.address];
}

function proxyOf(
	{ name, namespace }: Pick<ObjectMeta, "name" | "namespace">,
	ipAddresses: readonly string[],
	{ labels, locality, network, clusterId, serviceAccount }: WorkloadFacts,
	workloadCertificate: boolean,
	options: SnapshotOptions,
): MeshProxy {
	const dnsDomain = `${namespace}.svc.${options.domainSuffix}`;
	return {
		id: `sidecar~${ipAddresses[0] ?? ""}~${name}.${namespace}~${dnsDomain}`,
		type: "sidecar",
		proxyless: false,
		ipAddresses,
		name,
		namespace,
		dnsDomain,
		clusterId,
		network,
		labels,
		serviceAccount,
		locality,
		workloadCertificate,
		interceptionMode: "REDIRECT",
	};
}

// A pod that is not connected -> the proxy that it would have, for showing what would be in force for it.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import type { SnapshotOptions } from "./snapshot.ts";
import { addressesOfPod, factsOfPod } from "./workload-facts.ts";

/** The label `security.istio.io/tlsMode: istio`, put on by the injector, says that there is one and that it has a certificate. */
export function podHasProxy(pod: ConfigObject<"Pod">): boolean {
	return pod.metadata.labels["security.istio.io/tlsMode"] === "istio";
}

export function proxyOfPod(pod: ConfigObject<"Pod">, options: SnapshotOptions): MeshProxy {
	const { name, namespace } = pod.metadata;
	const { labels, locality, network, clusterId, serviceAccount } = factsOfPod(pod, undefined, options);
	const ipAddresses = addressesOfPod(pod);
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
		workloadCertificate: podHasProxy(pod),
		interceptionMode: "REDIRECT",
	};
}

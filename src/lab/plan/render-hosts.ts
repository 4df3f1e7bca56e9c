// An /etc/hosts for labs without DNS: each Service's names at the address of one ready pod of it.

import type { LabPod, SelectingService } from "./lab-pod.ts";

export function renderHosts(
	services: readonly SelectingService[],
	pods: readonly LabPod[],
	domain = "cluster.local",
): string {
	const lines = ["127.0.0.1 localhost"];
	for (const { name, namespace, spec } of services) {
		const selector = Object.entries(spec.selector ?? {});
		const pod = pods.find(
			(one) =>
				selector.length > 0 &&
				one.namespace === namespace &&
				one.readySinceMs !== undefined &&
				selector.every(([key, value]) => one.labels[key] === value),
		);
		if (pod)
			lines.push(
				`${pod.address} ${name} ${name}.${namespace} ${name}.${namespace}.svc ${name}.${namespace}.svc.${domain}`,
			);
	}
	return `${lines.join("\n")}\n`;
}

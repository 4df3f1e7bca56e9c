// RemoteCluster: the rules beyond the types, and that nothing reads it yet.

import type { ConfigObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import { checkHostname } from "./check-host.ts";
import { isDnsSubdomain, isIpAddress } from "./host-rules.ts";

export function checkRemoteCluster({ spec }: ConfigObject<"RemoteCluster">, findings: Findings): void {
	const { kubeconfig, clusterId, network, gateways = [] } = spec;
	if (!isDnsSubdomain(kubeconfig.secretName))
		findings.error(
			["spec", "kubeconfig", "secretName"],
			`${JSON.stringify(kubeconfig.secretName)} is not the name of a Secret`,
			"name a Secret of the same namespace",
		);
	for (const [field, value] of Object.entries({ clusterId, network }))
		if (value !== undefined && !/^[A-Za-z0-9](?:[-\w.]*[A-Za-z0-9])?$/.test(value))
			findings.error(
				["spec", field],
				`${JSON.stringify(value)} is not a valid ${field}`,
				"use letters, digits, -, _ and dots, beginning and ending with a letter or digit",
			);
	for (const [index, { address }] of gateways.entries())
		if (!isIpAddress(address)) checkHostname(address, ["spec", "gateways", index, "address"], findings);
	findings.warning(
		[],
		"RemoteCluster is accepted but has no effect yet",
		"only this cluster's workloads are in the mesh",
	);
}

// MeshConfig: the few rules beyond the types.

import type { ConfigObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import { parseDurationMs } from "../text/duration.ts";
import { checkHostname } from "./check-host.ts";
import { checkExtensionProviders } from "./extension-provider-rules.ts";
import { isKubernetesLabel } from "./host-rules.ts";
import { checkRetries } from "./http-route-rules.ts";
import { checkLocality } from "./locality-rules.ts";

export function checkMeshConfig(object: ConfigObject<"MeshConfig">, findings: Findings): void {
	const { spec } = object;
	if (spec.trustDomain !== undefined) checkHostname(spec.trustDomain, ["spec", "trustDomain"], findings);
	for (const [index, alias] of (spec.trustDomainAliases ?? []).entries())
		checkHostname(alias, ["spec", "trustDomainAliases", index], findings);
	checkExtensionProviders(spec.extensionProviders, findings);
	if (spec.rootNamespace !== undefined && !isKubernetesLabel(spec.rootNamespace))
		findings.error(["spec", "rootNamespace"], `${JSON.stringify(spec.rootNamespace)} is not a namespace`, "");
	const connectMs = parseDurationMs(spec.connectTimeout ?? "10s") ?? 0;
	if (connectMs > 3_600_000)
		findings.error(["spec", "connectTimeout"], `must be an hour at the most, found ${spec.connectTimeout}`, "");
	checkRetries(spec.defaultHttpRetryPolicy, ["spec", "defaultHttpRetryPolicy"], findings);
	// Whether failover has outlier detection depends on each service.
	checkLocality(spec.localityLbSetting, true, ["spec", "localityLbSetting"], findings);
}

// Routes by claims of tokens at gateways that verify none: Istio's IST0149.

import type { ConfigObject } from "../config-object.ts";
import { isClaimHeader } from "../rules/header-rules.ts";
import type { Guarded } from "./guarded-workloads.ts";
import { type KnownWorkload, type MeshIndex, selects } from "./mesh-index.ts";
import type { Report } from "./report.ts";
import { splitGatewayName } from "./virtual-service-references.ts";

export function checkClaimRoutes(index: MeshIndex, guarded: Guarded, report: Report): void {
	for (const rule of index.of("VirtualService"))
		for (const [at, { match = [] }] of (rule.spec.http ?? []).entries())
			for (const [matchAt, { headers = {} }] of match.entries()) {
				// Of a header that must not be there, a token that nobody verified says the same as none.
				if (!Object.keys(headers).some(isClaimHeader)) continue;
				const without = gatewayWorkloads(rule, index).find((workload) => !guarded.verifiesTokens(workload));
				if (without)
					report(
						"warning",
						"IST0149",
						rule,
						["spec", "http", at, "match", matchAt],
						`is never met: no RequestAuthentication verifies tokens on ${without.name}`,
						"add a RequestAuthentication with the Gateway's labels as selector",
					);
			}
}

function gatewayWorkloads(rule: ConfigObject<"VirtualService">, index: MeshIndex): readonly KnownWorkload[] {
	return (rule.spec.gateways ?? []).flatMap((name) => {
		const { namespace, gatewayName } = splitGatewayName(name, rule.metadata.namespace);
		const selector = index.find("Gateway", namespace, gatewayName)?.spec.selector ?? {};
		if (Object.keys(selector).length === 0) return [];
		return [...index.workloads.values()].flat().filter((workload) => selects(selector, workload.labels));
	});
}

// VirtualIPPool: rules beyond the types.

import type { ConfigObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import { parseAddressSpan } from "../text/address-span.ts";
import { checkAuthentication, checkChecks, checkInterval, checkLease } from "./virtual-ip-rules.ts";

export function checkVirtualIpPool({ spec }: ConfigObject<"VirtualIPPool">, findings: Findings): void {
	for (const [index, text] of spec.addresses.entries())
		if (!parseAddressSpan(text))
			findings.error(
				["spec", "addresses", index],
				`${JSON.stringify(text)} is no range of addresses`,
				"write 10.0.0.100-10.0.0.150, 10.0.0.160/28 or 10.0.0.7",
			);
	const { from = 128, to = 254 } = spec.virtualRouterIds ?? {};
	if (from > to)
		findings.error(
			["spec", "virtualRouterIds"],
			`there is no VRID from ${from} to ${to}`,
			"write the lower one at from",
		);
	checkInterval(spec, findings);
	checkAuthentication(spec, findings);
	checkChecks(spec.checks, findings);
	checkLease(spec, findings);
}

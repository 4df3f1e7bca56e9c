// PeerAuthentication: what inbound connections must be, by workload and by its ports.

import type { ConfigObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import { refuseDryRun } from "./dry-run-rules.ts";
import { checkWorkloadSelector } from "./policy-target-rules.ts";
import { isPortText } from "./port-text.ts";

export function checkPeerAuthentication(object: ConfigObject<"PeerAuthentication">, findings: Findings): void {
	const { selector, portLevelMtls } = object.spec;
	refuseDryRun(object, findings);
	checkWorkloadSelector(selector, findings);
	if (!portLevelMtls) return;
	const path = ["spec", "portLevelMtls"];
	if (Object.keys(selector?.matchLabels ?? {}).length === 0)
		findings.error(
			path,
			"portLevelMtls needs a selector: ports belong to a workload",
			"add selector: { matchLabels: { app: ... } }, or set mtls.mode for the whole namespace",
		);
	for (const key of Object.keys(portLevelMtls))
		if (!isPortText(key) || Number(key) === 0)
			findings.error(
				[...path, key],
				`must be a port number from 1 to 65535, found ${JSON.stringify(key)}`,
				"write the port that the workload listens on (the Service's targetPort)",
			);
}

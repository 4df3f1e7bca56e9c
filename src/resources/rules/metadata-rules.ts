// Names, namespaces and labels: Kubernetes' own syntax rules.

import type { Kind, ObjectMeta } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import { isDnsSubdomain, isKubernetesLabel } from "./host-rules.ts";
import { checkLabels } from "./label-rules.ts";

export function checkNames(metadata: ObjectMeta, kind: Kind, findings: Findings): void {
	const { name, namespace } = metadata;
	const hint = "use lower-case letters, digits and -, beginning and ending with a letter or digit";
	if (!isDnsSubdomain(name)) findings.error(["metadata", "name"], `${JSON.stringify(name)} is not a valid name`, hint);
	else if (kind === "Gateway" && !isKubernetesLabel(name))
		findings.error(
			["metadata", "name"],
			`${JSON.stringify(name)} is not a valid name of a Gateway`,
			`${hint}; no dots`,
		);
	if (namespace !== "" && !isKubernetesLabel(namespace))
		findings.error(["metadata", "namespace"], `${JSON.stringify(namespace)} is not a valid namespace`, hint);
	checkLabels(metadata.labels, ["metadata", "labels"], findings);
}

// exportTo: which namespaces see a resource. `*` all, `.` the own, `~` none (ServiceEntry only), or names.

import type { AnyObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";
import { isDnsLabel } from "./host-rules.ts";

export function checkExportTo(object: AnyObject, exportTo: readonly string[] | undefined, findings: Findings): void {
	const seen = new Set<string>();
	const path = ["spec", "exportTo"];
	for (const [index, entry] of (exportTo ?? []).entries()) {
		const namespace = entry === "." ? object.metadata.namespace : entry;
		const entryPath = [...path, index];
		if (seen.has(namespace)) findings.error(entryPath, `${JSON.stringify(entry)} is there twice`, "remove one");
		else if (entry === "~" && object.kind !== "ServiceEntry")
			findings.error(entryPath, "~ (nobody) is only for a ServiceEntry", 'use "." to keep it in its own namespace');
		else if (!["*", "~"].includes(entry) && !isDnsLabel(namespace))
			findings.error(
				entryPath,
				`${JSON.stringify(entry)} is not a namespace`,
				'use "*", "." or the name of a namespace',
			);
		seen.add(namespace);
	}
	if (seen.size > 1 && seen.has("*"))
		findings.error(path, '"*" (everyone) and other entries exclude each other', 'keep "*" alone');
	if (seen.size > 1 && seen.has("~"))
		findings.error(path, '"~" (nobody) and other entries exclude each other', 'keep "~" alone');
	if (object.kind === "DestinationRule" && object.spec.workloadSelector && seen.size > 0) {
		const ownOnly = seen.size === 1 && seen.has(object.metadata.namespace);
		if (!ownOnly)
			findings.error(
				path,
				"a rule with a workloadSelector applies in its own namespace only",
				'use ["."] or leave exportTo out',
			);
	}
}

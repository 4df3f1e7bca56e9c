// Which revision of the control plane writes the status of a resource, when several live side by side: each writing what its own
// proxies have would overwrite the others. In: the resource's label and the revisions that are there. Out: one of them, the same
// wherever it is asked.

import { compareText } from "../../resources/config-object.ts";

export const defaultRevision = "default";

/** `label`: `istio.io/rev` of the resource. `alive`: revisions with a leader; never empty. */
export function writingRevision(label: string | undefined, alive: ReadonlySet<string>): string {
	if (label !== undefined && alive.has(label)) return label;
	if (alive.has(defaultRevision)) return defaultRevision;
	return [...alive].sort(compareText)[0] ?? defaultRevision;
}

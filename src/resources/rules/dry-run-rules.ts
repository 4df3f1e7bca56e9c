// The annotation istio.io/dry-run: an AuthorizationPolicy that is evaluated and logged, and decides nothing.

import type { AnyObject, ConfigObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";

const annotation = "istio.io/dry-run";
/** What Istio takes for true and for false. */
const flags = new Set("true True TRUE t T 1 false False FALSE f F 0".split(" "));
const path = ["metadata", "annotations", annotation];

export function checkDryRun(object: ConfigObject<"AuthorizationPolicy">, findings: Findings): void {
	const value = object.metadata.annotations[annotation];
	if (value === undefined) return;
	const { action = "ALLOW" } = object.spec;
	if (action !== "ALLOW" && action !== "DENY")
		findings.error(path, `a policy with action ${action} cannot be tried out`, "remove the annotation");
	if (!flags.has(value))
		findings.error(path, `must be "true" or "false", found ${JSON.stringify(value)}`, 'write "true" with the quotes');
}

/** Istio refuses the annotation on every kind but AuthorizationPolicy, where it would be ignored. */
export function refuseDryRun(object: AnyObject, findings: Findings): void {
	if (object.metadata.annotations[annotation] !== undefined)
		findings.error(path, `a ${object.kind} cannot be tried out`, "remove the annotation");
}

// The meaning of each kind's fields, beyond their types: picks the rules of a kind.

import type { AnyObject } from "../config-object.ts";
import type { Findings } from "../findings.ts";

/** Adds an error for what Istio refuses, a warning for what it accepts with a warning. */
export function checkRules(object: AnyObject, _findings: Findings): void {
	switch (object.kind) {
		default:
			return;
	}
}

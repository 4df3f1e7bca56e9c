// How checks across resources say what they found: with the resource, a path in it, and Istio's code if there is one.

import type { AnyObject } from "../config-object.ts";
import type { Path } from "../findings.ts";

export type Report = (
	severity: "error" | "warning",
	/** Undefined where Istio has none. */
	code: string | undefined,
	object: AnyObject,
	path: Path,
	message: string,
	hint: string,
) => void;

/** `VirtualService default/reviews` */
export function nameOf(object: AnyObject): string {
	const { namespace, name } = object.metadata;
	return namespace === "" ? `${object.kind} ${name}` : `${object.kind} ${namespace}/${name}`;
}

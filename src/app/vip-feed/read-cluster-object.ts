// One of our own kinds as the API server sends it -> the object, read by the same rules as files. One with errors goes on as it was.

import type { RawObject } from "../../kubernetes/client/api-object.ts";
import type { ConfigObject } from "../../resources/config-object.ts";
import { renderPath } from "../../resources/findings.ts";
import { readObject } from "../../resources/read-object.ts";
import type { Log } from "../../runtime/log.ts";

/** Undefined: it has errors, and there was no version without. */
export function readClusterObject<K extends "VirtualIP" | "VirtualIPPool">(
	kind: K,
	raw: RawObject,
	before: ConfigObject<K> | undefined,
	log: Log,
): ConfigObject<K> | undefined {
	const { namespace = "", name } = raw.metadata;
	const origin = { file: `${kind} ${namespace === "" ? "" : `${namespace}/`}${name}`, line: 1, column: 1 };
	const document = { ...raw, kind, apiVersion: "keepmesh.io/v1alpha1" };
	const { object, findings } = readObject(document, { namespace }, origin);
	for (const { severity, path, message, hint } of findings)
		log[severity === "error" ? "error" : "warn"](
			{ resource: origin.file, path: renderPath(path), because: message, hint, goesOn: object ? undefined : !!before },
			"a problem in a resource",
		);
	return (object as ConfigObject<K> | undefined) ?? before;
}

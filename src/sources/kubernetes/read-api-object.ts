// An object of an API server, by the rules of every reader: the resource and everything that is wrong with it.

import type { RawObject } from "../../kubernetes/client/api-object.ts";
import { type AnyObject, type Kind, type ObjectKey, objectKey } from "../../resources/config-object.ts";
import { renderPath } from "../../resources/findings.ts";
import type { Origin, Problem } from "../../resources/problem.ts";
import { readObject } from "../../resources/read-object.ts";
import { slimObject } from "./slim-object.ts";

/** Where all of them stand. One value, because there are very many. */
export const apiOrigin: Origin = { file: "kubernetes", line: 1, column: 1 };

export interface ReadApiObject {
	readonly key: ObjectKey;
	readonly uid: string;
	/** Kubernetes' `resourceVersion`. */
	readonly version: string;
	/** Counts what was asked for, not what became of it; 0 for kinds that do not count. */
	readonly generation: number;
	/** Undefined: it is refused. */
	readonly object: AnyObject | undefined;
	readonly problems: readonly Problem[];
}

const noProblems: readonly Problem[] = [];

/** `kind`: as Keepmesh calls it. */
export function readApiObject(kind: Kind, raw: RawObject): ReadApiObject {
	const { metadata } = raw;
	const read = readObject(slimObject(raw), { namespace: metadata.namespace ?? "default" }, apiOrigin);
	const problems = read.findings.map(
		({ code, hint, message, path, severity }): Problem => ({
			severity,
			origin: apiOrigin,
			resource: read.resource,
			path: renderPath(path),
			message,
			hint,
			...(code === undefined ? {} : { code }),
		}),
	);
	return {
		key: objectKey(kind, metadata.namespace ?? "", metadata.name),
		uid: metadata.uid,
		version: metadata.resourceVersion,
		generation: metadata.generation ?? 0,
		object: read.object,
		problems: problems.length === 0 ? noProblems : problems,
	};
}

// Clusters of a proxy -> those whose secrets the proxy can get. Envoy waits for a secret for ever, and for all clusters
// before its first listener: one rule that names a Secret which does not exist would stop every proxy that may use it.
// Without the cluster only what goes there fails, and nothing goes out unprotected.

import { type ResourcePart, typeUrls } from "../../xds/resource.ts";
import { resourcePart } from "../encode-resource.ts";
import { secretNeeds } from "../find-dangling-references.ts";
import { isServed } from "./secret-source.ts";

const remembered = new WeakMap<ResourcePart, Map<string, ResourcePart>>();

/** `served`: SDS names that the proxy can get. The same part when all is served, and for equal lacks an identical one: parts are shared by proxies. */
export function servedClusters(part: ResourcePart, served: ReadonlySet<string>): ResourcePart {
	const lacking = secretNeeds(typeUrls.cluster, part).filter(({ to }) => !isServed(to.name, served));
	if (lacking.length === 0) return part;
	const byLack = remembered.get(part) ?? new Map<string, ResourcePart>();
	remembered.set(part, byLack);
	const lack = lacking.map(({ to }) => to.name).join(" ");
	const known = byLack.get(lack);
	if (known) return known;
	const without = new Set(lacking.flatMap(({ from }) => from));
	const made = resourcePart([...part.resources.values()].filter(({ name }) => !without.has(name)));
	byLack.set(lack, made);
	return made;
}

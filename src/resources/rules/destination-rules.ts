// Where a route leads: host, subset and weight, the same in HTTP, TLS and TCP routes.

import type { Findings, Path } from "../findings.ts";
import type { Destination } from "../kinds/networking.ts";
import { checkWildcardHost } from "./check-host.ts";
import { isDnsLabel } from "./host-rules.ts";

export function checkDestination(destination: Destination | undefined, path: Path, findings: Findings): void {
	if (!destination) return;
	if (destination.host === "*") findings.error([...path, "host"], '"*" is not a destination', "name one service");
	else checkWildcardHost(destination.host, [...path, "host"], findings);
	if (destination.subset) checkSubsetName(destination.subset, [...path, "subset"], findings);
}

export function checkSubsetName(name: string, path: Path, findings: Findings): void {
	if (!isDnsLabel(name))
		findings.error(path, `${JSON.stringify(name)} is not a name of a subset`, "use letters, digits and -, at most 63");
}

/** Weights are relative: any sum will do, except 0 when there are several. */
export function checkWeights(
	route: readonly { readonly weight?: number; readonly destination: Destination }[],
	path: Path,
	findings: Findings,
): void {
	for (const [index, entry] of route.entries())
		checkDestination(entry.destination, [...path, index, "destination"], findings);
	const total = route.reduce((sum, entry) => sum + (entry.weight ?? 0), 0);
	if (route.length > 1 && total === 0)
		findings.error(path, "the weights add up to 0", "give at least one destination a weight");
	if (total > 4294967295)
		findings.error(path, `the weights add up to ${total}`, "use smaller weights: only their proportion counts");
}

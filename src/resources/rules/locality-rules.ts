// localityLbSetting: shares by place (distribute) or an order of places (failover, failoverPriority).

import type { Findings, Path } from "../findings.ts";
import type { LocalityLbSetting } from "../kinds/networking.ts";

export function checkLocality(
	setting: LocalityLbSetting | undefined,
	hasOutlierDetection: boolean,
	path: Path,
	findings: Findings,
): void {
	if (!setting) return;
	const { distribute = [], failover = [], failoverPriority = [] } = setting;
	if (distribute.length > 0 && failover.length > 0)
		findings.error(path, "distribute and failover exclude each other", "keep one of them");
	if (failover.length > 0 && failoverPriority.some((label) => label.startsWith("topology.")))
		findings.error([...path, "failoverPriority"], "names a place while failover is given", "keep one of them");
	if ((failover.length > 0 || failoverPriority.length > 0) && !hasOutlierDetection)
		findings.error(
			path,
			"failover needs outlierDetection: without it no endpoint ever counts as failed",
			"add outlierDetection beside loadBalancer",
		);
	const from = new Set<string>();
	for (const [index, entry] of distribute.entries()) {
		const at = [...path, "distribute", index];
		const to = entry.to ?? {};
		if (!entry.from) findings.error([...at, "from"], "from is missing", 'for example "us-west/*"');
		else checkPlaces([entry.from], [...at, "from"], findings);
		if (entry.from && from.has(entry.from))
			findings.error([...at, "from"], `${JSON.stringify(entry.from)} is there twice`, "put its targets together");
		from.add(entry.from ?? "");
		checkPlaces(Object.keys(to), [...at, "to"], findings);
		checkShares(to, [...at, "to"], findings);
	}
	for (const [index, entry] of failover.entries()) {
		const at = [...path, "failover", index];
		if (!entry.from || !entry.to) findings.error(at, "needs from and to", "name two regions");
		else if (entry.from === entry.to) findings.error(at, "from and to are the same region", "name two regions");
		for (const field of ["from", "to"] as const)
			if (/[/*]/.test(entry[field] ?? ""))
				findings.error(
					[...at, field],
					`${JSON.stringify(entry[field])} is more than a region`,
					"name the region alone",
				);
	}
}

function checkShares(to: Readonly<Record<string, number>>, path: Path, findings: Findings): void {
	for (const [place, share] of Object.entries(to))
		if (share < 1 || share > 100)
			findings.error([...path, place], `must be from 1 to 100, found ${share}`, "remove the place, or raise its share");
	const sum = Object.values(to).reduce((total, share) => total + share, 0);
	if (sum !== 100) findings.error(path, `the shares add up to ${sum}`, "make them add up to 100");
}

/** `region/zone/subzone`, where the last part may be `*`; no place may lie inside another. */
function checkPlaces(places: readonly string[], path: Path, findings: Findings): void {
	for (const place of places) {
		const parts = place.split("/");
		const wildcardInside = parts.slice(0, -1).some((part) => part.includes("*"));
		if (place === "" || parts.length > 3 || wildcardInside || parts.some((part) => part === ""))
			findings.error(
				path,
				`${JSON.stringify(place)} is not a place`,
				"write region/zone/subzone; a * may stand at the end",
			);
		const inside = places.find((other) => other !== place && isInside(place, other));
		if (inside !== undefined)
			findings.error(path, `${JSON.stringify(place)} lies inside ${JSON.stringify(inside)}`, "keep one of them");
	}
}

function isInside(place: string, outer: string): boolean {
	if (outer === "*") return true;
	const stem = outer.endsWith("/*") ? outer.slice(0, -2) : outer;
	return place.startsWith(`${stem}/`) || place === stem;
}

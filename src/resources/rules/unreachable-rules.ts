// Routes that can never be taken because an earlier one matches everything they match: Istio's IST0130 and IST0131.
// The analysis is careful: it speaks only when the earlier match surely covers the later one.

import type { Findings, Path } from "../findings.ts";
import type { HttpMatch, HttpRoute, StringMatch, VirtualServiceSpec } from "../kinds/networking.ts";

export function checkUnreachable(spec: VirtualServiceSpec, findings: Findings): void {
	checkHttp(spec.http ?? [], findings);
	checkEqualMatches(spec.tls ?? [], ["spec", "tls"], findings);
	checkEqualMatches(spec.tcp ?? [], ["spec", "tcp"], findings);
}

interface Earlier {
	readonly route: number;
	readonly match: HttpMatch;
}

function checkHttp(routes: readonly HttpRoute[], findings: Findings): void {
	const path = ["spec", "http"];
	const byPrefix = new Map<string, Earlier[]>();
	checkEqualMatches(routes, path, findings, (match, routeIndex, matchIndex) => {
		const covering = findCovering(match, routeIndex, byPrefix);
		if (covering) {
			const name = routeName(routes[covering.route], covering.route);
			const prefix = covering.match.uri?.prefix ?? "";
			const at = [...path, routeIndex, "match", matchIndex];
			findings.warning(
				at,
				`is never used: route ${name} before it takes every path that begins with ${prefix}`,
				"put the more specific route first",
				"IST0131",
			);
		}
		const prefix = match.uri?.prefix;
		if (prefix === undefined) return;
		const sameKey = byPrefix.get(prefix) ?? [];
		sameKey.push({ route: routeIndex, match });
		byPrefix.set(prefix, sameKey);
	});
}

function findCovering(
	match: HttpMatch,
	route: number,
	byPrefix: ReadonlyMap<string, readonly Earlier[]>,
): Earlier | undefined {
	const uri = match.uri?.exact ?? match.uri?.prefix;
	if (uri === undefined || byPrefix.size === 0) return undefined;
	// Only the beginnings of this path can cover it: their number does not grow with the number of routes.
	for (let length = 1; length <= Math.min(uri.length, 512); length++) {
		const found = byPrefix
			.get(uri.slice(0, length))
			?.find((earlier) => earlier.route < route && covers(earlier.match, match));
		if (found) return found;
	}
	return undefined;
}

/** Every condition of `a` besides the path holds whenever `b` holds. */
function covers(a: HttpMatch, b: HttpMatch): boolean {
	return (
		(a.ignoreUriCase ?? false) === (b.ignoreUriCase ?? false) &&
		(["port", "sourceNamespace", "sourceLabels", "gateways"] as const).every(
			(key) => a[key] === undefined || asKey(a[key]) === asKey(b[key]),
		) &&
		(["scheme", "method", "authority"] as const).every((key) => textCovers(a[key], b[key])) &&
		(["headers", "queryParams"] as const).every((key) =>
			Object.entries(a[key] ?? {}).every(([name, match]) => textCovers(match, b[key]?.[name])),
		) &&
		(a.withoutHeaders === undefined || asKey(a.withoutHeaders) === asKey(b.withoutHeaders))
	);
}

function textCovers(a: StringMatch | undefined, b: StringMatch | undefined): boolean {
	if (a === undefined) return true;
	if (b === undefined) return false;
	if (a.exact === undefined && a.prefix === undefined && a.regex === undefined) return true;
	if (asKey(a) === asKey(b)) return true;
	return a.prefix !== undefined && (b.exact ?? b.prefix ?? "").startsWith(a.prefix);
}

/** Reports matches that are the same as one of an earlier route, and routes after one without any match. */
function checkEqualMatches<Match extends object>(
	routes: readonly { readonly match?: readonly Match[]; readonly name?: string }[],
	path: Path,
	findings: Findings,
	onNewMatch: (match: Match, route: number, index: number) => void = () => {},
): void {
	const seen = new Map<string, number>();
	let catchAll: number | undefined;
	for (const [index, route] of routes.entries()) {
		const at = [...path, index];
		if (catchAll !== undefined) {
			const name = routeName(routes[catchAll], catchAll);
			findings.warning(
				at,
				`is never used: route ${name} before it has no match and takes everything`,
				"put the route without match last",
				"IST0130",
			);
			continue;
		}
		const matches = route.match ?? [];
		if (matches.length === 0) catchAll = index;
		let repeated = 0;
		for (const [matchIndex, match] of matches.entries()) {
			const key = asKey({ ...match, name: undefined, statPrefix: undefined });
			const earlier = seen.get(key);
			if (earlier === undefined) {
				seen.set(key, index);
				onNewMatch(match, index, matchIndex);
				continue;
			}
			repeated++;
			findings.warning(
				[...at, "match", matchIndex],
				`is never used: route ${routeName(routes[earlier], earlier)} has the same match`,
				"remove one of them",
				"IST0131",
			);
		}
		if (repeated > 0 && repeated === matches.length)
			findings.warning(at, "is never used: earlier routes have all its matches", "remove it, or move it up", "IST0130");
	}
}

function routeName(route: { readonly name?: string } | undefined, index: number): string {
	return route?.name ? JSON.stringify(route.name) : `#${index}`;
}

/** Equal for values that are equal, whatever the order of their fields. */
function asKey(value: unknown): string {
	return JSON.stringify(value, (_key, item: unknown) =>
		typeof item === "object" && item !== null && !Array.isArray(item)
			? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
			: item,
	);
}

// Delegation of VirtualServices: a root's route hands over to the routes of another VirtualService. What the delegate matches
// must lie within what the root matches; the rest of the root's route fills what the delegate leaves open.

import type { HttpMatch, HttpRoute, StringMatch } from "../resources/kinds/networking.ts";

/** One merged route for each route of the delegate; undefined where the two cannot hold at once. */
export function mergeDelegate(root: HttpRoute, routes: readonly HttpRoute[]): readonly (HttpRoute | undefined)[] {
	return routes.map((route) => mergeRoute(root, route));
}

function mergeRoute(root: HttpRoute, route: HttpRoute): HttpRoute | undefined {
	const match = mergeMatches(root.match ?? [], route.match ?? []);
	if (match === undefined) return undefined;
	const { match: _rootMatch, delegate: _delegate, name: rootName, route: _route, redirect: _redirect, ...open } = root;
	const { match: _match, name: ownName, delegate: _nested, ...own } = route;
	const name = joinNames(rootName, ownName);
	return { ...open, ...own, ...(name === undefined ? {} : { name }), ...(match.length === 0 ? {} : { match }) };
}

function mergeMatches(root: readonly HttpMatch[], own: readonly HttpMatch[]): readonly HttpMatch[] | undefined {
	if (root.length === 0) return own;
	if (own.length === 0) return root;
	const merged: HttpMatch[] = [];
	for (const match of own) {
		const within = root.filter((outer) => !inConflict(outer, match));
		if (within.length === 0) return undefined;
		merged.push(...within.map((outer) => mergeMatch(outer, match)));
	}
	return merged;
}

function mergeMatch(outer: HttpMatch, inner: HttpMatch): HttpMatch {
	const name = joinNames(outer.name, inner.name);
	return {
		...outer,
		...inner,
		...(name === undefined ? {} : { name }),
		...joined("headers", outer.headers, inner.headers),
		...joined("withoutHeaders", outer.withoutHeaders, inner.withoutHeaders),
		...joined("queryParams", outer.queryParams, inner.queryParams),
		...joined("sourceLabels", outer.sourceLabels, inner.sourceLabels),
		...(inner.gateways === undefined || inner.gateways.length === 0 ? { gateways: outer.gateways ?? [] } : {}),
	};
}

function joined<V>(field: string, outer: Readonly<Record<string, V>> | undefined, inner: typeof outer): object {
	return outer === undefined && inner === undefined ? {} : { [field]: { ...outer, ...inner } };
}

function joinNames(outer: string | undefined, inner: string | undefined): string | undefined {
	return outer && inner ? `${outer}-${inner}` : inner || outer;
}

function inConflict(outer: HttpMatch, inner: HttpMatch): boolean {
	return (
		textsConflict(outer.uri, inner.uri) ||
		textsConflict(outer.scheme, inner.scheme) ||
		textsConflict(outer.method, inner.method) ||
		textsConflict(outer.authority, inner.authority) ||
		anyTextConflicts(outer.headers, inner.headers) ||
		anyTextConflicts(outer.withoutHeaders, inner.withoutHeaders) ||
		anyTextConflicts(outer.queryParams, inner.queryParams) ||
		(outer.ignoreUriCase ?? false) !== (inner.ignoreUriCase ?? false) ||
		differ(outer.port, inner.port) ||
		differ(outer.sourceNamespace, inner.sourceNamespace) ||
		Object.entries(inner.sourceLabels ?? {}).some(([key, value]) => differ(outer.sourceLabels?.[key], value)) ||
		gatewaysConflict(outer.gateways ?? [], inner.gateways ?? [])
	);
}

function differ<T>(a: T | undefined, b: T | undefined): boolean {
	return a !== undefined && b !== undefined && a !== b;
}

function gatewaysConflict(outer: readonly string[], inner: readonly string[]): boolean {
	return outer.length > 0 && inner.some((gateway) => !outer.includes(gateway));
}

type TextMatches = Readonly<Record<string, StringMatch>> | undefined;

function anyTextConflicts(outer: TextMatches, inner: TextMatches): boolean {
	return Object.entries(inner ?? {}).some(([key, match]) => textsConflict(outer?.[key], match));
}

/** Whether `inner` may accept a text that `outer` refuses. Regular expressions are never compared with anything. */
function textsConflict(outer: StringMatch | undefined, inner: StringMatch | undefined): boolean {
	if (outer === undefined || inner === undefined || isPresence(outer) || isPresence(inner)) return false;
	if (outer.regex !== undefined || inner.regex !== undefined) return true;
	if (outer.exact !== undefined) return inner.exact !== outer.exact;
	const prefix = outer.prefix ?? "";
	return !(inner.exact ?? inner.prefix ?? "").startsWith(prefix);
}

function isPresence(match: StringMatch): boolean {
	return match.exact === undefined && match.prefix === undefined && match.regex === undefined;
}

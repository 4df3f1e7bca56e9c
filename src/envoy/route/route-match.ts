// HTTPMatchRequest -> RouteMatch.

import type { HttpMatch, StringMatch } from "../../resources/kinds/networking.ts";
import type { RouteMatchSchema } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { claimMatcher, claimPath, isAboutTokens } from "./claim-match.ts";
import { headerMatcher, queryParameterMatcher, sortedEntries, withoutHeaderMatcher } from "./string-match.ts";

export type RouteMatchFields = MessageFields<typeof RouteMatchSchema>;

const everyPath = { case: "prefix", value: "/" } as const;

export const matchEverything: RouteMatchFields = { pathSpecifier: everyPath };

/** Undefined for a match that never holds: on claims of a token where nothing verifies tokens. */
export function routeMatch(match: HttpMatch | undefined, verifiesTokens = false): RouteMatchFields | undefined {
	if (match === undefined) return matchEverything;
	const positive = sortedEntries(match.headers);
	const negative = sortedEntries(match.withoutHeaders);
	const aboutTokens = [...positive, ...negative].filter(([name]) => isAboutTokens(name));
	if (aboutTokens.some(([name]) => !verifiesTokens || claimPath(name) === undefined)) return undefined;
	return {
		pathSpecifier: pathSpecifier(match.uri),
		caseSensitive: !match.ignoreUriCase,
		headers: [
			...positive.filter(isHeader).map(([name, value]) => headerMatcher(name, value)),
			...negative.filter(isHeader).map(([name, value]) => withoutHeaderMatcher(name, value)),
			...(match.method ? [headerMatcher(":method", match.method)] : []),
			...(match.authority ? [headerMatcher(":authority", match.authority)] : []),
			...(match.scheme ? [headerMatcher(":scheme", match.scheme)] : []),
		],
		queryParameters: sortedEntries(match.queryParams).map(([name, value]) => queryParameterMatcher(name, value)),
		dynamicMetadata: [
			...positive.flatMap(([name, value]) => claimMatchers(name, value, false)),
			...negative.flatMap(([name, value]) => claimMatchers(name, value, true)),
		],
	};
}

function isHeader([name]: readonly [string, StringMatch]): boolean {
	return !isAboutTokens(name);
}

function claimMatchers(
	name: string,
	match: StringMatch,
	invert: boolean,
): NonNullable<RouteMatchFields["dynamicMetadata"]> {
	const path = claimPath(name);
	return path ? [claimMatcher(path, match, invert)] : [];
}

/** A prefix is a plain text prefix: `/prod` matches `/products`. */
function pathSpecifier(uri: StringMatch | undefined): NonNullable<RouteMatchFields["pathSpecifier"]> {
	if (uri?.exact !== undefined) return { case: "path", value: uri.exact };
	if (uri?.prefix !== undefined) return { case: "prefix", value: uri.prefix };
	if (uri?.regex) return { case: "safeRegex", value: { regex: uri.regex } };
	return everyPath;
}

/** True when no request gets past it, so that later routes are never reached. */
export function isCatchAll(match: RouteMatchFields): boolean {
	const path = match.pathSpecifier;
	const everything =
		(path?.case === "prefix" && path.value === "/") || (path?.case === "safeRegex" && path.value.regex === ".*");
	const conditions = [match.headers, match.queryParameters, match.dynamicMetadata];
	return everything && conditions.every((list) => !list?.length);
}

/** The path as tools print it in a route's operation: `/api*`. */
export function pathText(match: RouteMatchFields): string {
	const path = match.pathSpecifier;
	switch (path?.case) {
		case "prefix":
			return `${path.value}*`;
		case "path":
			return path.value;
		case "safeRegex":
			return path.value.regex ?? "";
		default:
			return "/*";
	}
}

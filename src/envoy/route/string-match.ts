// Istio's StringMatch -> Envoy's matchers of headers and query parameters.

import { compareText } from "../../resources/config-object.ts";
import type { StringMatch } from "../../resources/kinds/networking.ts";
import type {
	HeaderMatcherSchema,
	QueryParameterMatcherSchema,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import type { StringMatcherSchema } from "../gen/envoy/type/matcher/v3/string_pb.ts";
import type { MessageFields } from "../message-fields.ts";

type HeaderMatcher = MessageFields<typeof HeaderMatcherSchema>;

/** Undefined: any value will do, as long as there is one. An empty match says so, and so does the regex `*`. */
export function stringMatcher(match: StringMatch): MessageFields<typeof StringMatcherSchema> | undefined {
	if (match.exact !== undefined) return { matchPattern: { case: "exact", value: match.exact } };
	if (match.prefix) return { matchPattern: { case: "prefix", value: match.prefix } };
	if (match.regex && match.regex !== "*") return { matchPattern: { case: "safeRegex", value: { regex: match.regex } } };
	return undefined;
}

export function headerMatcher(name: string, match: StringMatch): HeaderMatcher {
	const value = stringMatcher(match);
	return {
		name,
		headerMatchSpecifier: value ? { case: "stringMatch", value } : { case: "presentMatch", value: true },
	};
}

/** Matches when the header does not: an absent header counts as an empty one, except where presence itself is asked. */
export function withoutHeaderMatcher(name: string, match: StringMatch): HeaderMatcher {
	return {
		...headerMatcher(name, match),
		invertMatch: true,
		treatMissingHeaderAsEmpty: stringMatcher(match) !== undefined,
	};
}

export function queryParameterMatcher(
	name: string,
	match: StringMatch,
): MessageFields<typeof QueryParameterMatcherSchema> {
	const value = stringMatcher(match);
	return {
		name,
		queryParameterMatchSpecifier: value ? { case: "stringMatch", value } : { case: "presentMatch", value: true },
	};
}

/** Entries in one order, whatever order the file has. */
export function sortedEntries<T>(record: Readonly<Record<string, T>> | undefined): readonly (readonly [string, T])[] {
	return Object.entries(record ?? {}).sort(([a], [b]) => compareText(a, b));
}

// VirtualService headers -> header changes of a route or of a weighted destination. `:authority` (or `host`) is no header
// to Envoy: setting it rewrites the host.

import { compareText } from "../../resources/config-object.ts";
import type { Headers } from "../../resources/kinds/networking.ts";
import { envoyVariablesIn } from "../../resources/text/envoy-variables.ts";
import {
	HeaderValueOption_HeaderAppendAction,
	type HeaderValueOptionSchema,
} from "../gen/envoy/config/core/v3/base_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { sortedEntries } from "./string-match.ts";

type HeaderOption = MessageFields<typeof HeaderValueOptionSchema>;

export interface HeaderChanges {
	readonly requestHeadersToAdd: HeaderOption[];
	readonly requestHeadersToRemove: string[];
	readonly responseHeadersToAdd: HeaderOption[];
	readonly responseHeadersToRemove: string[];
}

export const noHeaderChanges: HeaderChanges = {
	requestHeadersToAdd: [],
	requestHeadersToRemove: [],
	responseHeadersToAdd: [],
	responseHeadersToRemove: [],
};

export function headerChanges(headers: Headers | undefined): HeaderChanges {
	if (headers === undefined) return noHeaderChanges;
	const { request, response } = headers;
	return {
		requestHeadersToAdd: [...options(request?.set, overwrite), ...options(request?.add, append)],
		requestHeadersToRemove: (request?.remove ?? []).filter(isOrdinary),
		responseHeadersToAdd: [...options(response?.set, overwrite), ...options(response?.add, append)],
		responseHeadersToRemove: (response?.remove ?? []).filter(isOrdinary),
	};
}

/** The later ones come last, so that what they set wins. */
export function joinedChanges(a: HeaderChanges, b: HeaderChanges): HeaderChanges {
	return {
		requestHeadersToAdd: [...a.requestHeadersToAdd, ...b.requestHeadersToAdd],
		requestHeadersToRemove: [...a.requestHeadersToRemove, ...b.requestHeadersToRemove],
		responseHeadersToAdd: [...a.responseHeadersToAdd, ...b.responseHeadersToAdd],
		responseHeadersToRemove: [...a.responseHeadersToRemove, ...b.responseHeadersToRemove],
	};
}

/** Host that the headers ask for; `set` wins over `add`. */
export function authorityOf(headers: Headers | undefined): string | undefined {
	const authorityIn = (values: Readonly<Record<string, string>> | undefined): string | undefined =>
		sortedEntries(values).findLast(([name]) => isAuthority(name))?.[1];
	return authorityIn(headers?.request?.set) || authorityIn(headers?.request?.add) || undefined;
}

const append = HeaderValueOption_HeaderAppendAction.APPEND_IF_EXISTS_OR_ADD;
const overwrite = HeaderValueOption_HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD;

function options(
	values: Readonly<Record<string, string>> | undefined,
	appendAction: HeaderValueOption_HeaderAppendAction,
): HeaderOption[] {
	return Object.entries(values ?? {})
		.filter(([name]) => isOrdinary(name))
		.sort(([a], [b]) => compareText(a, b))
		.map(([key, value]) => ({ header: { key, value: envoyVariablesIn(value).text }, appendAction }));
}

function isOrdinary(name: string): boolean {
	return !name.startsWith(":") && name.toLowerCase() !== "host";
}

function isAuthority(name: string): boolean {
	return name.toLowerCase() === ":authority" || name.toLowerCase() === "host";
}

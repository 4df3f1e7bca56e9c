// HTTPRoutes that the proxy answers itself: redirect and directResponse.

import { base64Decode } from "@bufbuild/protobuf/wire";
import type { HttpRedirect, HttpRoute } from "../../resources/kinds/networking.ts";
import {
	type DirectResponseActionSchema,
	RedirectAction_RedirectResponseCode,
	type RedirectActionSchema,
} from "../gen/envoy/config/route/v3/route_components_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import type { RouteScope } from "./route-scope.ts";

type RedirectFields = MessageFields<typeof RedirectActionSchema>;

const responseCodes: ReadonlyMap<number, RedirectAction_RedirectResponseCode> = new Map([
	[0, RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY],
	[301, RedirectAction_RedirectResponseCode.MOVED_PERMANENTLY],
	[302, RedirectAction_RedirectResponseCode.FOUND],
	[303, RedirectAction_RedirectResponseCode.SEE_OTHER],
	[307, RedirectAction_RedirectResponseCode.TEMPORARY_REDIRECT],
	[308, RedirectAction_RedirectResponseCode.PERMANENT_REDIRECT],
]);

/** Undefined for a code that Envoy cannot send. */
export function redirectAction(redirect: HttpRedirect, scope: RouteScope): RedirectFields | undefined {
	const responseCode = responseCodes.get(redirect.redirectCode ?? 0);
	if (responseCode === undefined) return undefined;
	return {
		responseCode,
		hostRedirect: redirect.authority ?? "",
		portRedirect: redirectPort(redirect, scope),
		...(redirect.uri && { pathRewriteSpecifier: { case: "pathRedirect", value: redirect.uri } as const }),
		...(redirect.scheme && { schemeRewriteSpecifier: { case: "schemeRedirect", value: redirect.scheme } as const }),
	};
}

/** 0 where the scheme's own port would only be repeated. */
function redirectPort(redirect: HttpRedirect, scope: RouteScope): number {
	const port = redirect.port ?? (redirect.derivePort === "FROM_REQUEST_PORT" ? scope.port : 0);
	const scheme = redirect.scheme || (scope.tls ? "https" : "http");
	return (port === 80 && scheme === "http") || (port === 443 && scheme === "https") ? 0 : port;
}

export function directResponseAction(
	response: NonNullable<HttpRoute["directResponse"]>,
): MessageFields<typeof DirectResponseActionSchema> {
	const { status, body } = response;
	if (body?.string !== undefined) {
		return { status, body: { specifier: { case: "inlineString", value: body.string } } };
	}
	if (body?.bytes !== undefined) {
		return { status, body: { specifier: { case: "inlineBytes", value: base64Decode(body.bytes) } } };
	}
	return { status };
}

// MeshConfig's extensionProviders -> the external authorisers that AuthorizationPolicies with action CUSTOM name.

import type { AuthorizationProvider } from "../model/security.ts";
import type { ExtAuthzGrpc, ExtAuthzHttp, ExtensionProvider } from "../resources/kinds/keepmesh.ts";
import { parseDurationMs } from "../resources/text/duration.ts";

const defaultTimeoutMs = 600_000;
const defaultStatusOnError = 403;

/** Those of other types (tracing, logging) are left out. */
export function authorizationProvidersOf(
	providers: readonly ExtensionProvider[] | undefined,
): readonly AuthorizationProvider[] {
	return (providers ?? []).flatMap((provider): readonly AuthorizationProvider[] => {
		const { name, envoyExtAuthzHttp: http, envoyExtAuthzGrpc: grpc } = provider;
		if (http !== undefined) return [{ name, protocol: "http", ...settingsOf(http), ...httpSettingsOf(http) }];
		return grpc === undefined ? [] : [{ name, protocol: "grpc", ...settingsOf(grpc), ...httpSettingsOf({}) }];
	});
}

function settingsOf(spec: ExtAuthzGrpc) {
	const body = spec.includeRequestBodyInCheck;
	return {
		...hostOf(spec.service),
		port: spec.port,
		timeoutMs: (spec.timeout === undefined ? undefined : parseDurationMs(spec.timeout)) ?? defaultTimeoutMs,
		failOpen: spec.failOpen ?? false,
		statusOnError: Number(spec.statusOnError || defaultStatusOnError),
		clearRouteCache: spec.clearRouteCache ?? false,
		...(body === undefined
			? {}
			: {
					includeRequestBodyInCheck: {
						maxRequestBytes: body.maxRequestBytes ?? 0,
						allowPartialMessage: body.allowPartialMessage ?? false,
						packAsBytes: body.packAsBytes ?? false,
					},
				}),
	};
}

function httpSettingsOf(spec: Partial<ExtAuthzHttp>) {
	const headers = spec.includeRequestHeadersInCheck ?? [];
	return {
		pathPrefix: spec.pathPrefix ?? "",
		includeRequestHeadersInCheck: headers.length > 0 ? headers : (spec.includeHeadersInCheck ?? []),
		includeAdditionalHeadersInCheck: spec.includeAdditionalHeadersInCheck ?? {},
		headersToUpstreamOnAllow: spec.headersToUpstreamOnAllow ?? [],
		headersToDownstreamOnDeny: spec.headersToDownstreamOnDeny ?? [],
		headersToDownstreamOnAllow: spec.headersToDownstreamOnAllow ?? [],
	};
}

/** `NAMESPACE/HOST` or `HOST`. The host is a full name: as in Istio, short names are not completed. */
function hostOf(service: string): { readonly host: string; readonly namespace?: string } {
	const slash = service.indexOf("/");
	return slash < 0 ? { host: service } : { host: service.slice(slash + 1), namespace: service.slice(0, slash) };
}

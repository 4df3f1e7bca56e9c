// MeshConfig's extensionProviders: services that are asked whether a request may pass.

import type { Findings, Path } from "../findings.ts";
import type { ExtAuthzGrpc, ExtAuthzHttp, ExtensionProvider } from "../kinds/keepmesh.ts";
import { otherProviders } from "../shapes/extension-provider-shape.ts";
import { checkHeaderName } from "./header-rules.ts";
import { hostnameError, isDnsLabel } from "./host-rules.ts";

/** Statuses that Envoy can answer with by itself. */
const statuses = new Set(
	[
		[100, 200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 307, 308],
		[400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417],
		[421, 422, 423, 424, 426, 428, 429, 431, 500, 501, 502, 503, 504, 505, 506, 507, 508, 510, 511],
	].flat(),
);

export function checkExtensionProviders(providers: readonly ExtensionProvider[] | undefined, findings: Findings): void {
	const names = new Set<string>();
	for (const [index, provider] of (providers ?? []).entries()) {
		const path = ["spec", "extensionProviders", index];
		if (provider.name === "")
			findings.error([...path, "name"], "the name is empty", "policies refer to the provider by it");
		if (names.has(provider.name))
			findings.error([...path, "name"], `there is a provider ${provider.name} already`, "use another name");
		names.add(provider.name);
		const types = ["envoyExtAuthzHttp", "envoyExtAuthzGrpc", ...otherProviders].filter((type) => type in provider);
		if (types.length === 0)
			findings.error(path, "does not say what it is", "add envoyExtAuthzHttp or envoyExtAuthzGrpc");
		if (types.length > 1)
			findings.error(path, `${types.join(" and ")} exclude each other`, "use one provider for each");
		const { envoyExtAuthzHttp: http, envoyExtAuthzGrpc: grpc } = provider;
		if (http) checkHttp(http, [...path, "envoyExtAuthzHttp"], findings);
		if (grpc) checkCommon(grpc, [...path, "envoyExtAuthzGrpc"], findings);
	}
}

function checkCommon(provider: ExtAuthzGrpc, path: Path, findings: Findings): void {
	const parts = provider.service.split("/");
	const host = parts.at(-1) ?? "";
	const wrong = parts.length > 2 || (parts.length === 2 && !isDnsLabel(parts[0] ?? "")) ? "" : hostnameError(host);
	if (wrong !== undefined)
		findings.error(
			[...path, "service"],
			wrong || `${JSON.stringify(provider.service)} is not a service`,
			"write HOST or NAMESPACE/HOST, for example ext-authz.default.svc.cluster.local",
		);
	const { statusOnError, includeRequestBodyInCheck: body } = provider;
	if (statusOnError !== undefined && !(/^\d+$/.test(statusOnError) && statuses.has(Number(statusOnError))))
		findings.error(
			[...path, "statusOnError"],
			`${JSON.stringify(statusOnError)} is not a status of HTTP that Envoy has`,
			'write it like "403" or "503"',
		);
	if (body && (body.maxRequestBytes ?? 0) === 0)
		findings.error(
			[...path, "includeRequestBodyInCheck", "maxRequestBytes"],
			"must be at least 1",
			"say how much of a request's body the provider gets",
		);
}

function checkHttp(provider: ExtAuthzHttp, path: Path, findings: Findings): void {
	checkCommon(provider, path, findings);
	if (provider.pathPrefix && !/^\/[^\s?#]*$/.test(provider.pathPrefix))
		findings.error(
			[...path, "pathPrefix"],
			`${JSON.stringify(provider.pathPrefix)} is not the beginning of a path`,
			"begin with /, without query",
		);
	for (const name of Object.keys(provider.includeAdditionalHeadersInCheck ?? {}))
		checkHeaderName(name, [...path, "includeAdditionalHeadersInCheck", name], findings);
	for (const field of [
		"includeHeadersInCheck",
		"includeRequestHeadersInCheck",
		"headersToUpstreamOnAllow",
		"headersToDownstreamOnDeny",
		"headersToDownstreamOnAllow",
	] as const)
		for (const [index, name] of (provider[field] ?? []).entries())
			if (name !== "*") checkHeaderName(name.replace(/^\*|\*$/, ""), [...path, field, index], findings);
}

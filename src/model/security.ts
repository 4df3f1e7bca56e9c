// What guards one workload: the policies in force for it, selected and put in order, with nothing left to look up.

import type { ObjectKey } from "../resources/config-object.ts";
import type { AuthorizationRule, JwtRule } from "../resources/kinds/security.ts";

export type InboundMtls = "DISABLE" | "PERMISSIVE" | "STRICT";

/** What inbound connections must be, after the workload's, its namespace's and the mesh's PeerAuthentication. */
export interface WorkloadMtls {
	readonly mode: InboundMtls;
	/** Ports of the workload (target ports) whose mode differs from `mode`; sorted. */
	readonly byPort: ReadonlyMap<number, InboundMtls>;
	/** PeerAuthentications that decided, the most specific first. */
	readonly sources: readonly ObjectKey[];
}

export const permissiveMtls: WorkloadMtls = { mode: "PERMISSIVE", byPort: new Map(), sources: [] };

export function mtlsOnPort(mtls: WorkloadMtls, targetPort: number): InboundMtls {
	return mtls.byPort.get(targetPort) ?? mtls.mode;
}

/** The PeerAuthentication that decided it; undefined where none did. Settings of ports are in the most specific one. */
export function mtlsSourceOnPort({ byPort, sources }: WorkloadMtls, targetPort: number): ObjectKey | undefined {
	return byPort.has(targetPort) ? sources[0] : sources.at(-1);
}

export interface AuthorizationPolicyView {
	readonly source: ObjectKey;
	readonly namespace: string;
	readonly name: string;
	readonly action: "ALLOW" | "DENY" | "AUDIT" | "CUSTOM";
	/** For CUSTOM. */
	readonly provider?: string;
	/** Annotation `istio.io/dry-run: "true"`: evaluated and logged, decides nothing. */
	readonly dryRun: boolean;
	readonly rules: readonly AuthorizationRule[];
}

export interface JwtRuleView extends JwtRule {
	readonly source: ObjectKey;
	/** The keys in force: inline ones, else the last good ones that were fetched. Absent: none yet, so no token is accepted. */
	readonly keys?: string;
}

export interface WorkloadSecurity {
	/** Sidecars only. */
	readonly mtls?: WorkloadMtls;
	/** In Istio's order (oldest first), of the root namespace and the workload's own. */
	readonly authorization: readonly AuthorizationPolicyView[];
	/** Of all RequestAuthentications, sorted by issuer. */
	readonly authentication: readonly JwtRuleView[];
}

/** A MeshConfig extensionProvider of type envoyExtAuthzHttp or envoyExtAuthzGrpc; durations in milliseconds. */
export interface AuthorizationProvider {
	readonly name: string;
	readonly protocol: "http" | "grpc";
	/** Full host name of a service of the mesh. */
	readonly host: string;
	/** Namespace of the service, where the provider names it (`NAMESPACE/HOST`). */
	readonly namespace?: string;
	readonly port: number;
	/** Default 600,000 (Istio's 10 minutes). */
	readonly timeoutMs: number;
	/** When the provider cannot be reached the request passes. Default false. */
	readonly failOpen: boolean;
	/** HTTP status of requests that are refused because the provider cannot be reached. Default 403. */
	readonly statusOnError: number;
	/** HTTP only: put in front of the path. */
	readonly pathPrefix: string;
	/** HTTP only; names and `*` patterns as Istio has them. */
	readonly includeRequestHeadersInCheck: readonly string[];
	readonly includeAdditionalHeadersInCheck: Readonly<Record<string, string>>;
	readonly headersToUpstreamOnAllow: readonly string[];
	readonly headersToDownstreamOnDeny: readonly string[];
	readonly headersToDownstreamOnAllow: readonly string[];
	readonly includeRequestBodyInCheck?: {
		readonly maxRequestBytes: number;
		readonly allowPartialMessage: boolean;
		readonly packAsBytes: boolean;
	};
	readonly clearRouteCache: boolean;
}

/** How request paths are made plain before policies see them; Istio's meshConfig.pathNormalization. Default BASE. */
export type PathNormalization = "NONE" | "BASE" | "MERGE_SLASHES" | "DECODE_AND_MERGE_SLASHES";

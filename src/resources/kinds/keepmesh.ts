// Keepmesh's own kinds, group keepmesh.io/v1alpha1.

import type { HotSwitchSpec } from "./hot-switch.ts";
import type { LocalityLbSetting } from "./networking.ts";
import type { RemoteClusterSpec } from "./remote-cluster.ts";
import type { VirtualIPSpec } from "./virtual-ip.ts";
import type { VirtualIPPoolSpec } from "./virtual-ip-pool.ts";

export interface KeepmeshSpecs {
	MeshConfig: MeshConfigSpec;
	VirtualIP: VirtualIPSpec;
	VirtualIPPool: VirtualIPPoolSpec;
	HotSwitch: HotSwitchSpec;
	RemoteCluster: RemoteClusterSpec;
}

/** Mesh-wide settings; the names and defaults are those of Istio's meshConfig. One object, in the root namespace. */
export interface MeshConfigSpec {
	readonly trustDomain?: string;
	readonly trustDomainAliases?: readonly string[];
	/** Default true. */
	readonly enableAutoMtls?: boolean;
	readonly meshMTLS?: {
		readonly minProtocolVersion?: "TLS_AUTO" | "TLSV1_2" | "TLSV1_3";
		readonly cipherSuites?: readonly string[];
		readonly ecdhCurves?: readonly string[];
	};
	/** Default BASE. */
	readonly pathNormalization?: {
		readonly normalization?: "DEFAULT" | "NONE" | "BASE" | "MERGE_SLASHES" | "DECODE_AND_MERGE_SLASHES";
	};
	readonly extensionProviders?: readonly ExtensionProvider[];
	/** Namespace whose resources apply to the whole mesh. Default `istio-system`. */
	readonly rootNamespace?: string;
	/** Default ALLOW_ANY. */
	readonly outboundTrafficPolicy?: { readonly mode?: "ALLOW_ANY" | "REGISTRY_ONLY" };
	readonly accessLogFile?: string;
	readonly accessLogFormat?: string;
	readonly accessLogEncoding?: "TEXT" | "JSON";
	/** Duration text, default `10s`. */
	readonly connectTimeout?: string;
	/** Duration text, default `0s` (off): how long inbound and outbound sniffing may wait for the first bytes. */
	readonly protocolDetectionTimeout?: string;
	readonly defaultHttpRetryPolicy?: {
		readonly attempts?: number;
		readonly perTryTimeout?: string;
		readonly retryOn?: string;
	};
	readonly localityLbSetting?: LocalityLbSetting;
	readonly defaultServiceExportTo?: readonly string[];
	readonly defaultVirtualServiceExportTo?: readonly string[];
	readonly defaultDestinationRuleExportTo?: readonly string[];
	/** `auto`: a sidecar gets only the services that its workload's rules and observed traffic can reach. Default `all`. */
	readonly sidecarScope?: "all" | "auto";
}

/**
 * External authorisation, for AuthorizationPolicies with action CUSTOM: one of the two is set. Neither: a provider of
 * traces, logs or metrics, which has no effect yet.
 */
export interface ExtensionProvider {
	readonly name: string;
	readonly envoyExtAuthzHttp?: ExtAuthzHttp;
	readonly envoyExtAuthzGrpc?: ExtAuthzGrpc;
}

export interface ExtAuthzGrpc {
	/** `HOST` or `NAMESPACE/HOST` of a service of the mesh. */
	readonly service: string;
	readonly port: number;
	/** Duration text, default `600s`. */
	readonly timeout?: string;
	readonly failOpen?: boolean;
	readonly clearRouteCache?: boolean;
	/** Status as text, default `403`. */
	readonly statusOnError?: string;
	readonly includeRequestBodyInCheck?: {
		readonly maxRequestBytes?: number;
		readonly allowPartialMessage?: boolean;
		readonly packAsBytes?: boolean;
	};
}

export interface ExtAuthzHttp extends ExtAuthzGrpc {
	readonly pathPrefix?: string;
	/** Older name of includeRequestHeadersInCheck. */
	readonly includeHeadersInCheck?: readonly string[];
	readonly includeRequestHeadersInCheck?: readonly string[];
	readonly includeAdditionalHeadersInCheck?: Readonly<Record<string, string>>;
	readonly headersToUpstreamOnAllow?: readonly string[];
	readonly headersToDownstreamOnDeny?: readonly string[];
	readonly headersToDownstreamOnAllow?: readonly string[];
}

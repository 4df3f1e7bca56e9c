// Keepmesh's own kinds, group keepmesh.io/v1alpha1.

import type { LocalityLbSetting } from "./networking.ts";

export interface KeepmeshSpecs {
	MeshConfig: MeshConfigSpec;
}

/** Mesh-wide settings; the names and defaults are those of Istio's meshConfig. One object, in the root namespace. */
export interface MeshConfigSpec {
	readonly trustDomain?: string;
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

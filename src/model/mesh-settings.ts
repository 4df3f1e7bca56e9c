// MeshConfig with every default filled in, durations in milliseconds.

import type { LocalityLbSetting } from "../resources/kinds/networking.ts";

export interface MeshSettings {
	readonly trustDomain: string;
	/** DNS domain of Kubernetes services, `cluster.local`. */
	readonly domainSuffix: string;
	readonly rootNamespace: string;
	readonly outboundTrafficPolicy: "ALLOW_ANY" | "REGISTRY_ONLY";
	/** Empty: no access log. */
	readonly accessLogFile: string;
	readonly accessLogFormat: string;
	readonly accessLogEncoding: "TEXT" | "JSON";
	readonly connectTimeoutMs: number;
	/** 0: sniffing waits until bytes come or the peer closes. */
	readonly protocolDetectionTimeoutMs: number;
	readonly retries: { readonly attempts: number; readonly perTryTimeoutMs: number; readonly retryOn: string };
	readonly localityLb: LocalityLbSetting;
	readonly serviceExportTo: readonly string[];
	readonly virtualServiceExportTo: readonly string[];
	readonly destinationRuleExportTo: readonly string[];
	readonly sidecarScope: "all" | "auto";
}

export const defaultMeshSettings: MeshSettings = {
	trustDomain: "cluster.local",
	domainSuffix: "cluster.local",
	rootNamespace: "istio-system",
	outboundTrafficPolicy: "ALLOW_ANY",
	accessLogFile: "",
	accessLogFormat: "",
	accessLogEncoding: "TEXT",
	connectTimeoutMs: 10_000,
	protocolDetectionTimeoutMs: 0,
	retries: {
		attempts: 2,
		perTryTimeoutMs: 0,
		retryOn: "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes",
	},
	localityLb: { enabled: true },
	serviceExportTo: ["*"],
	virtualServiceExportTo: ["*"],
	destinationRuleExportTo: ["*"],
	sidecarScope: "all",
};

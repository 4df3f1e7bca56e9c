// MeshConfig with every default filled in, durations in milliseconds.

import type { LocalityLbSetting } from "../resources/kinds/networking.ts";
import type { AuthorizationProvider, PathNormalization } from "./security.ts";

export interface MeshSettings {
	readonly trustDomain: string;
	/** Former or other names of the trust domain: principals of each are taken for the same. */
	readonly trustDomainAliases: readonly string[];
	/** Istio's enableAutoMtls: mutual TLS to every endpoint that can take it, where no DestinationRule says otherwise. */
	readonly autoMtls: boolean;
	/** Of mesh TLS between workloads. */
	readonly minTlsVersion: "1.2" | "1.3";
	readonly authorizationProviders: readonly AuthorizationProvider[];
	readonly pathNormalization: PathNormalization;
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
	trustDomainAliases: [],
	autoMtls: true,
	minTlsVersion: "1.2",
	authorizationProviders: [],
	pathNormalization: "BASE",
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

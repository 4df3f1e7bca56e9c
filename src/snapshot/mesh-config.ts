// MeshConfig resources -> the mesh's settings. One counts: the oldest that lies in the root namespace it names, else the oldest.

import type { MeshSettings } from "../model/mesh-settings.ts";
import { defaultMeshSettings } from "../model/mesh-settings.ts";
import type { ConfigObject } from "../resources/config-object.ts";
import { byAge } from "../resources/config-object.ts";
import type { MeshConfigSpec } from "../resources/kinds/keepmesh.ts";
import { parseDurationMs } from "../resources/text/duration.ts";
import { authorizationProvidersOf } from "./authorization-providers.ts";

type MeshConfig = ConfigObject<"MeshConfig">;

/** The MeshConfig in force, if there is one. */
export function meshConfigInForce(configs: Iterable<MeshConfig>): MeshConfig | undefined {
	const sorted = [...configs].sort(byAge);
	const atHome = (config: MeshConfig) => config.metadata.namespace === rootNamespaceOf(config);
	return sorted.find(atHome) ?? sorted[0];
}

export function meshSettingsOf(config: MeshConfig | undefined, domainSuffix: string): MeshSettings {
	const defaults = { ...defaultMeshSettings, domainSuffix };
	if (config === undefined) return defaults;
	const spec = config.spec;
	const retry = spec.defaultHttpRetryPolicy;
	return {
		...defaults,
		trustDomain: spec.trustDomain ?? defaults.trustDomain,
		trustDomainAliases: spec.trustDomainAliases ?? defaults.trustDomainAliases,
		autoMtls: spec.enableAutoMtls ?? defaults.autoMtls,
		minTlsVersion: spec.meshMTLS?.minProtocolVersion === "TLSV1_3" ? "1.3" : "1.2",
		authorizationProviders: authorizationProvidersOf(spec.extensionProviders),
		pathNormalization: pathNormalizationOf(spec) ?? defaults.pathNormalization,
		rootNamespace: rootNamespaceOf(config),
		outboundTrafficPolicy: spec.outboundTrafficPolicy?.mode ?? defaults.outboundTrafficPolicy,
		accessLogFile: spec.accessLogFile ?? defaults.accessLogFile,
		accessLogFormat: spec.accessLogFormat ?? defaults.accessLogFormat,
		accessLogEncoding: spec.accessLogEncoding ?? defaults.accessLogEncoding,
		connectTimeoutMs: durationMs(spec.connectTimeout) ?? defaults.connectTimeoutMs,
		protocolDetectionTimeoutMs: durationMs(spec.protocolDetectionTimeout) ?? defaults.protocolDetectionTimeoutMs,
		retries: {
			attempts: retry?.attempts ?? defaults.retries.attempts,
			perTryTimeoutMs: durationMs(retry?.perTryTimeout) ?? defaults.retries.perTryTimeoutMs,
			retryOn: retry?.retryOn ?? defaults.retries.retryOn,
		},
		localityLb: spec.localityLbSetting ?? defaults.localityLb,
		serviceExportTo: spec.defaultServiceExportTo ?? defaults.serviceExportTo,
		virtualServiceExportTo: spec.defaultVirtualServiceExportTo ?? defaults.virtualServiceExportTo,
		destinationRuleExportTo: spec.defaultDestinationRuleExportTo ?? defaults.destinationRuleExportTo,
		sidecarScope: spec.sidecarScope ?? defaults.sidecarScope,
	};
}

function rootNamespaceOf(config: MeshConfig): string {
	return config.spec.rootNamespace ?? defaultMeshSettings.rootNamespace;
}

function pathNormalizationOf(spec: MeshConfigSpec): MeshSettings["pathNormalization"] | undefined {
	const normalization = spec.pathNormalization?.normalization;
	return normalization === "DEFAULT" ? undefined : normalization;
}

function durationMs(text: string | undefined): number | undefined {
	return text === undefined ? undefined : parseDurationMs(text);
}

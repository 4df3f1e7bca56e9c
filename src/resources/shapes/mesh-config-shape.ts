// Fields of Keepmesh's MeshConfig; the names are those of Istio's meshConfig.

import { extensionProviderShape } from "./extension-provider-shape.ts";
import { choice, duration, durationOrZero, flag, list, smallCount, struct, text, texts } from "./shape.ts";
import { localityLbShape } from "./traffic-policy-shapes.ts";

export const meshConfigShape = struct({
	trustDomain: text,
	trustDomainAliases: texts,
	enableAutoMtls: flag,
	meshMTLS: struct({
		minProtocolVersion: choice("TLS_AUTO", "TLSV1_2", "TLSV1_3"),
		cipherSuites: texts,
		ecdhCurves: texts,
	}),
	pathNormalization: struct({
		normalization: choice("DEFAULT", "NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"),
	}),
	extensionProviders: list(extensionProviderShape),
	rootNamespace: text,
	outboundTrafficPolicy: struct({ mode: choice("ALLOW_ANY", "REGISTRY_ONLY") }),
	accessLogFile: text,
	accessLogFormat: text,
	accessLogEncoding: choice("TEXT", "JSON"),
	connectTimeout: duration,
	protocolDetectionTimeout: durationOrZero,
	defaultHttpRetryPolicy: struct({ attempts: smallCount, perTryTimeout: duration, retryOn: text }),
	localityLbSetting: localityLbShape,
	defaultServiceExportTo: texts,
	defaultVirtualServiceExportTo: texts,
	defaultDestinationRuleExportTo: texts,
	sidecarScope: choice("all", "auto"),
});

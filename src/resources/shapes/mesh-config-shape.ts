// Fields of Keepmesh's MeshConfig; the names are those of Istio's meshConfig.

import { choice, duration, durationOrZero, smallCount, struct, text, texts } from "./shape.ts";
import { localityLbShape } from "./traffic-policy-shapes.ts";

export const meshConfigShape = struct({
	trustDomain: text,
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

// DestinationRule outlierDetection -> Envoy's. What is not set stays at Envoy's default; ejection by success rate is off.

import type { OutlierDetection } from "../../resources/kinds/networking.ts";
import { durationFromText } from "../duration.ts";
import type { OutlierDetectionSchema } from "../gen/envoy/config/cluster/v3/outlier_detection_pb.ts";
import type { MessageFields } from "../message-fields.ts";

export function outlierDetection(
	setting: OutlierDetection | undefined,
): MessageFields<typeof OutlierDetectionSchema> | undefined {
	if (setting === undefined) return undefined;
	const { consecutive5xxErrors, consecutiveGatewayErrors, consecutiveLocalOriginFailures } = setting;
	return {
		enforcingSuccessRate: 0,
		consecutive5xx: consecutive5xxErrors,
		enforcingConsecutive5xx: enforcing(consecutive5xxErrors),
		consecutiveGatewayFailure: consecutiveGatewayErrors,
		enforcingConsecutiveGatewayFailure: enforcing(consecutiveGatewayErrors),
		interval: durationFromText(setting.interval),
		baseEjectionTime: durationFromText(setting.baseEjectionTime),
		maxEjectionPercent: setting.maxEjectionPercent || undefined,
		...(setting.splitExternalLocalOriginErrors && {
			splitExternalLocalOriginErrors: true,
			enforcingLocalOriginSuccessRate: 0,
			...(consecutiveLocalOriginFailures && {
				consecutiveLocalOriginFailure: consecutiveLocalOriginFailures,
				enforcingConsecutiveLocalOriginFailure: 100,
			}),
		}),
	};
}

/** 0 errors means: do not eject for this reason. */
function enforcing(errors: number | undefined): number | undefined {
	return errors === undefined ? undefined : errors > 0 ? 100 : 0;
}

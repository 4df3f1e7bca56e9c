// VirtualService corsPolicy -> configuration of the CORS filter for one route.

import type { CorsPolicy } from "../../resources/kinds/networking.ts";
import { msFromText } from "../duration.ts";
import type { CorsPolicySchema } from "../gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { wholePercent } from "./fault.ts";
import { stringMatcher } from "./string-match.ts";

export function corsPolicy(policy: CorsPolicy): MessageFields<typeof CorsPolicySchema> {
	const maxAgeMs = msFromText(policy.maxAge);
	const origins = policy.allowOrigins ?? policy.allowOrigin?.map((exact) => ({ exact }));
	return {
		allowOriginStringMatch: origins?.map(
			(origin) => stringMatcher(origin) ?? { matchPattern: { case: "safeRegex", value: { regex: ".*" } } },
		),
		allowMethods: (policy.allowMethods ?? []).join(","),
		allowHeaders: (policy.allowHeaders ?? []).join(","),
		exposeHeaders: (policy.exposeHeaders ?? []).join(","),
		maxAge: maxAgeMs === undefined ? "" : String(Math.floor(maxAgeMs / 1000)),
		allowCredentials: policy.allowCredentials,
		filterEnabled: { defaultValue: wholePercent(100) },
		forwardNotMatchingPreflights: policy.unmatchedPreflights !== "IGNORE",
	};
}

// VirtualService retries, or the mesh's default -> RetryPolicy. Retries prefer another endpoint than the one that failed.

import type { Any } from "@bufbuild/protobuf/wkt";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { HttpRetry } from "../../resources/kinds/networking.ts";
import { durationFromText } from "../duration.ts";
import { durationFromMs, packAny } from "../encode-resource.ts";
import type { HeaderMatcherSchema, RetryPolicySchema } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { PreviousHostsPredicateSchema } from "../gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts";
import { PreviousPrioritiesConfigSchema } from "../gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.ts";
import type { MessageFields } from "../message-fields.ts";
import { undeliveredHeader } from "../undelivered.ts";

type RetryPolicyFields = MessageFields<typeof RetryPolicySchema>;

const defaultRetryOn = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
const byHeader = "retriable-headers";
const isUndelivered: MessageFields<typeof HeaderMatcherSchema> = {
	name: undeliveredHeader,
	headerMatchSpecifier: { case: "presentMatch", value: true },
};
/** Choices are independent: of two endpoints, with Istio's 5 one retry of 64 would meet the one again that failed; so one of 2 million. */
const hostSelectionAttempts = 20n;
/** Priorities are chosen anew after so many attempts. */
const priorityUpdateFrequency = 2;

const previousHosts: Any = packAny(PreviousHostsPredicateSchema, {});
const previousPriorities: Any = packAny(PreviousPrioritiesConfigSchema, { updateFrequency: priorityUpdateFrequency });

/** Undefined: no retries. `hashed`: requests stick to an endpoint, so a retry may go to the same one. */
export function retryPolicy(
	retries: HttpRetry | undefined,
	mesh: MeshSettings["retries"],
	hashed: boolean,
): RetryPolicyFields | undefined {
	const attempts = retries === undefined ? mesh.attempts : (retries.attempts ?? 0);
	if (attempts <= 0) return undefined;
	const { reasons, codes } = retryReasons((retries === undefined ? mesh.retryOn : retries.retryOn) || defaultRetryOn);
	// A proxy beside the server takes the connection in any case: whether the server itself did, it says in a header.
	const asksHeader = reasons.includes("connect-failure");
	const avoidsPreviousHosts = retries?.retryIgnorePreviousHosts ?? !hashed;
	const backoff = durationFromText(retries?.backoff);
	return {
		numRetries: attempts,
		retryOn: [...reasons, ...(asksHeader && !reasons.includes(byHeader) ? [byHeader] : [])].join(","),
		retriableStatusCodes: codes,
		...(asksHeader && { retriableHeaders: [isUndelivered] }),
		perTryTimeout:
			retries === undefined
				? mesh.perTryTimeoutMs > 0
					? durationFromMs(mesh.perTryTimeoutMs)
					: undefined
				: durationFromText(retries.perTryTimeout),
		hostSelectionRetryMaxAttempts: hostSelectionAttempts,
		retryHostPredicate: avoidsPreviousHosts
			? [
					{
						name: "envoy.retry_host_predicates.previous_hosts",
						configType: { case: "typedConfig", value: previousHosts },
					},
				]
			: [],
		...(retries?.retryRemoteLocalities && {
			retryPriority: {
				name: "envoy.retry_priorities.previous_priorities",
				configType: { case: "typedConfig", value: previousPriorities },
			},
		}),
		...(backoff && { retryBackOff: { baseInterval: backoff } }),
	};
}

/** Numbers among the reasons are status codes: `gateway-error,409`. */
function retryReasons(text: string): { readonly reasons: readonly string[]; readonly codes: number[] } {
	const parts = text.split(",").flatMap((part) => part.trim() || []);
	const codes = parts.filter(isStatusCode).map(Number);
	const reasons = parts.filter((part) => !isStatusCode(part));
	if (codes.length > 0 && !reasons.includes("retriable-status-codes")) reasons.push("retriable-status-codes");
	return { reasons, codes };
}

function isStatusCode(part: string): boolean {
	return /^[1-5]\d\d$/.test(part);
}

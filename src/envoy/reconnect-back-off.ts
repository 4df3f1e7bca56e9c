// How soon Envoy asks again when a stream to its node has ended. Envoy's own back-off for secrets grows to 30 s, for which a node
// that starts again would not know what its proxies have.

import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "./encode-resource.ts";
import { type RetryPolicy, RetryPolicySchema } from "./gen/envoy/config/core/v3/base_pb.ts";

/** The first try at once, then never longer than this apart, so that a node that is back is found soon. */
export const reconnectMs = { base: 100, max: 2_000 };

/** `envoy_grpc.retry_policy` of secrets. */
export const reconnectBackOff: RetryPolicy = create(RetryPolicySchema, {
	retryBackOff: { baseInterval: durationFromMs(reconnectMs.base), maxInterval: durationFromMs(reconnectMs.max) },
});

// The configuration source of everything that comes over the one aggregated stream.

import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import { ApiVersion, type ConfigSource, ConfigSourceSchema } from "./gen/envoy/config/core/v3/config_source_pb.ts";

/**
 * ADS, version 3. `initial_fetch_timeout` 0: a listener or secret waits for what it needs and is not used half-made;
 * the dangling check keeps sets that would wait for ever from being published.
 */
export const adsSource: ConfigSource = create(ConfigSourceSchema, {
	configSourceSpecifier: { case: "ads", value: {} },
	initialFetchTimeout: { seconds: 0n, nanos: 0 },
	resourceApiVersion: ApiVersion.V3,
});

export const zeroDuration: Duration = create(DurationSchema, {});

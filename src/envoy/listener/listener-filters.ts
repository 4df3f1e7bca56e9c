// What looks at a connection before a filter chain is chosen: where it was going, and what it speaks.

import { create } from "@bufbuild/protobuf";
import { packAny } from "../encode-resource.ts";
import {
	type ListenerFilter,
	type ListenerFilterChainMatchPredicate,
	ListenerFilterChainMatchPredicateSchema,
	ListenerFilterSchema,
} from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import { HttpInspectorSchema } from "../gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts";
import { OriginalDstSchema } from "../gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts";
import { TlsInspectorSchema } from "../gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";

/** What http_inspector calls plain HTTP. */
export const plainHttpProtocols: readonly string[] = ["http/1.0", "http/1.1", "h2c"];

export const originalDst: ListenerFilter = create(ListenerFilterSchema, {
	name: "envoy.filters.listener.original_dst",
	configType: { case: "typedConfig", value: packAny(OriginalDstSchema, {}) },
});

const tlsInspectorConfig = packAny(TlsInspectorSchema, {});
const httpInspectorConfig = packAny(HttpInspectorSchema, {});

export const tlsInspector: ListenerFilter = create(ListenerFilterSchema, {
	name: "envoy.filters.listener.tls_inspector",
	configType: { case: "typedConfig", value: tlsInspectorConfig },
});

export const httpInspector: ListenerFilter = create(ListenerFilterSchema, {
	name: "envoy.filters.listener.http_inspector",
	configType: { case: "typedConfig", value: httpInspectorConfig },
});

/** The same filter, reading only connections to these ports, so that no other port ever waits for a client's bytes. */
export function onlyForPorts(filter: ListenerFilter, ports: readonly number[]): ListenerFilter {
	return disabledWhere(filter, { case: "notMatch", value: anyOf(ports) });
}

/** The same filter, reading connections to all other ports. */
export function exceptForPorts(filter: ListenerFilter, ports: readonly number[]): ListenerFilter {
	return disabledWhere(filter, anyOf(ports).rule);
}

function disabledWhere(filter: ListenerFilter, rule: ListenerFilterChainMatchPredicate["rule"]): ListenerFilter {
	return create(ListenerFilterSchema, {
		name: filter.name,
		configType: filter.configType,
		filterDisabled: create(ListenerFilterChainMatchPredicateSchema, { rule }),
	});
}

function anyOf(ports: readonly number[]): ListenerFilterChainMatchPredicate {
	const rules = ports.map(portPredicate);
	const [first, ...rest] = rules;
	if (!first) throw new Error("an inspector for no port");
	if (rest.length === 0) return first;
	return create(ListenerFilterChainMatchPredicateSchema, { rule: { case: "orMatch", value: { rules } } });
}

function portPredicate(port: number): ListenerFilterChainMatchPredicate {
	return create(ListenerFilterChainMatchPredicateSchema, {
		rule: { case: "destinationPortRange", value: { start: port, end: port + 1 } },
	});
}

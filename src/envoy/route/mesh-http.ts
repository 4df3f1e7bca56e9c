// HTTP on a port whose protocol is not declared: its cluster carries bytes as well, so that its TLS settings cannot say HTTP.
// The request says it: a filter, which only routes to such clusters turn on, offers the mesh's HTTP protocol by ALPN in place
// of the cluster's own. Istio has a filter of its own for this. At the other end the name only chooses the HTTP chain, which
// finds out the version by itself, so that one name serves HTTP/1.1 and HTTP/2.

import { create } from "@bufbuild/protobuf";
import type { Any } from "@bufbuild/protobuf/wkt";
import type { ServiceView } from "../../model/view.ts";
import { policyForPort, policyForSubset } from "../cluster/effective-policy.ts";
import { packAny } from "../encode-resource.ts";
import { FilterConfigSchema } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { ConfigSchema } from "../gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.ts";
import {
	type HttpFilter,
	HttpFilterSchema,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";

const name = "envoy.filters.http.set_filter_state";

/** Off unless a route turns it on. */
export const meshHttpFilter: HttpFilter = create(HttpFilterSchema, {
	name,
	disabled: true,
	configType: {
		case: "typedConfig",
		value: packAny(ConfigSchema, {
			onRequestHeaders: [
				{
					key: { case: "objectKey", value: "envoy.network.application_protocols" },
					value: {
						case: "formatString",
						value: {
							format: {
								case: "textFormatSource",
								value: { specifier: { case: "inlineString", value: "istio-http/1.1,istio" } },
							},
						},
					},
				},
			],
		}),
	},
});

/** An empty configuration turns a filter on. */
const on: { readonly [filter: string]: Any } = { [name]: packAny(FilterConfigSchema, { config: {} }) };

/** What the route, or the weighted cluster, to this destination configures. */
export function meshHttpConfig(view: ServiceView | undefined, port: number, subset: string): { [filter: string]: Any } {
	return view && takesBoth(view, port, subset) ? on : {};
}

/** A foreign server would end a handshake in which it knows no protocol. */
function takesBoth({ service, destination }: ServiceView, port: number, subsetName: string): boolean {
	if (service.ports.find(({ number }) => number === port)?.protocol !== "AUTO") return false;
	const subset = destination?.subsets.find((one) => one.name === subsetName);
	const rule = destination?.trafficPolicy;
	const tls = (subset ? policyForSubset(rule, subset, port) : policyForPort(rule, port))?.tls;
	return tls === undefined ? !service.meshExternal : tls.mode === "ISTIO_MUTUAL";
}

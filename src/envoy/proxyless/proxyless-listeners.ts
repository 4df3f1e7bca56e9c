// Services -> the listeners that gRPC libraries ask for by name: a client's target `xds:///greeter.default:7070` asks for
// `greeter.default:7070`; a server that listens on a port asks for `xds.istio.io/grpc/lds/inbound/0.0.0.0:7070`.

import { create } from "@bufbuild/protobuf";
import type { MeshService } from "../../model/service.ts";
import type { InboundView, OutboundView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { adsSource } from "../ads-source.ts";
import { encodeResource, packAny } from "../encode-resource.ts";
import { ListenerSchema } from "../gen/envoy/config/listener/v3/listener_pb.ts";
import { HTTPFaultSchema } from "../gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
import { RouterSchema } from "../gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import {
	HttpConnectionManagerSchema,
	type HttpFilter,
	HttpFilterSchema,
} from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { inboundModes } from "../listener/inbound-mode.ts";
import { socketAddress } from "../listener/socket-address.ts";
import { faultFilter } from "../route/http-routes.ts";
import { hostDomains } from "../route/virtual-host-domains.ts";
import { proxylessPorts, proxylessRouteName } from "./proxyless-routes.ts";

const router: HttpFilter = create(HttpFilterSchema, {
	name: "envoy.filters.http.router",
	configType: { case: "typedConfig", value: packAny(RouterSchema, {}) },
});
const fault: HttpFilter = create(HttpFilterSchema, {
	name: faultFilter,
	configType: { case: "typedConfig", value: packAny(HTTPFaultSchema, {}) },
});

/** One for each name by which the namespace may call the service; a name that two services have goes to the first. */
export function generateProxylessListeners(view: OutboundView): readonly EncodedResource[] {
	const byName = new Map<string, EncodedResource>();
	for (const service of view.services) {
		for (const port of proxylessPorts(service)) {
			const apiListener = packAny(HttpConnectionManagerSchema, {
				statPrefix: "",
				routeSpecifier: {
					case: "rds",
					value: { configSource: adsSource, routeConfigName: proxylessRouteName(service, port) },
				},
				httpFilters: [fault, router],
			});
			for (const host of namesOf(service.service, view)) {
				const name = `${host}:${port.number}`;
				if (!byName.has(name))
					byName.set(name, encodeResource(ListenerSchema, name, { name, apiListener: { apiListener } }));
			}
		}
	}
	return [...byName.values()];
}

function namesOf(service: MeshService, view: OutboundView): readonly string[] {
	const { domains } = hostDomains(service, view.namespace, view.mesh.domainSuffix);
	return [service.hostname, ...domains.filter((domain) => !domain.includes("*") && !/^[\d.]+$|:/.test(domain))];
}

/** Istio's `server_listener_resource_name_template`, with the address that the server was bound to. */
const serverListenerPrefix = "xds.istio.io/grpc/lds/inbound/";

/** Plaintext: every call is let in. A port that demands mutual TLS gets no listener, so that the library does not serve it. */
export function generateProxylessServerListeners(view: InboundView): readonly EncodedResource[] {
	const modes = inboundModes(view, false);
	const open = view.ports.filter(({ targetPort }) => modes.onPort(targetPort) !== "CLOSED");
	return open.flatMap(({ targetPort }) =>
		["0.0.0.0", "::", ...view.addresses].map((address) => {
			const name = `${serverListenerPrefix}${address.includes(":") ? `[${address}]` : address}:${targetPort}`;
			const manager = packAny(HttpConnectionManagerSchema, {
				statPrefix: "",
				routeSpecifier: {
					case: "routeConfig",
					value: {
						name: `inbound|${targetPort}||`,
						virtualHosts: [
							{
								name: `inbound|http|${targetPort}`,
								domains: ["*"],
								routes: [
									{
										match: { pathSpecifier: { case: "prefix", value: "/" } },
										action: { case: "nonForwardingAction", value: {} },
									},
								],
							},
						],
					},
				},
				httpFilters: [router],
			});
			return encodeResource(ListenerSchema, name, {
				name,
				address: socketAddress(address, targetPort),
				defaultFilterChain: {
					name: "inbound",
					filters: [
						{
							name: "envoy.filters.network.http_connection_manager",
							configType: { case: "typedConfig", value: manager },
						},
					],
				},
			});
		}),
	);
}

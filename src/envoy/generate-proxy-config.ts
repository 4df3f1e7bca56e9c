// Proxy and view -> everything that the proxy should have. Each part is remembered by the identity of what it was made of,
// so that proxies with the same view get the very same parts, whose bytes are then sent from one copy.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { GatewayView, InboundView, OutboundView, ProxyView, SecretView } from "../model/view.ts";
import { type EncodedResource, type ProxyConfig, type ResourcePart, type TypeUrl, typeUrls } from "../xds/resource.ts";
import { type ClusterOptions, defaultClusterOptions } from "./cluster/cluster-options.ts";
import { generateGatewayClusters } from "./cluster/gateway-clusters.ts";
import { generateInboundClusters } from "./cluster/inbound-clusters.ts";
import { generateOutboundClusters } from "./cluster/outbound-clusters.ts";
import { resourcePart } from "./encode-resource.ts";
import { endpointPart } from "./endpoint/endpoint-part.ts";
import { generateGatewayListeners } from "./gateway/gateway-listeners.ts";
import { generateOutboundListeners } from "./listener/outbound-listeners.ts";
import { generateInboundListeners, type InboundListenerOptions } from "./listener/virtual-inbound.ts";
import { generateGatewayRoutes } from "./route/gateway-routes.ts";
import { generateOutboundRoutes } from "./route/outbound-routes.ts";
import { gatewaySecretNames, generateGatewaySecrets } from "./secret/gateway-secrets.ts";

/** Off unless said otherwise: mesh TLS on either side. Pass the same object each time, results are remembered by it. */
export interface GenerateOptions extends InboundListenerOptions {
	readonly clusters?: ClusterOptions;
}

const defaultOptions: GenerateOptions = {};

export function generateProxyConfig(
	proxy: MeshProxy,
	view: ProxyView,
	options: GenerateOptions = defaultOptions,
): ProxyConfig {
	const groups = [
		...(proxy.type === "sidecar" && view.outbound ? [outboundParts(view.outbound, options)] : []),
		...(proxy.type === "sidecar" && view.inbound ? [inboundParts(view.inbound, options)] : []),
		...(proxy.type === "router" && view.gateway ? [gatewayParts(view.gateway, options)] : []),
	];
	const config = new Map<TypeUrl, { typeUrl: TypeUrl; parts: ResourcePart[] }>();
	const add = (typeUrl: TypeUrl, part: ResourcePart | undefined): void => {
		const set = config.get(typeUrl) ?? { typeUrl, parts: [] };
		if (part && part.resources.size > 0) set.parts.push(part);
		config.set(typeUrl, set);
	};
	for (const group of groups) add(typeUrls.cluster, group.clusters);
	add(typeUrls.endpoints, endpointsOf(proxy, view));
	for (const group of groups) add(typeUrls.listener, group.listeners);
	if (proxy.type === "router" && view.gateway) add(typeUrls.listener, gatewayListeners(view.gateway, view.secrets));
	for (const group of groups) add(typeUrls.route, group.routes);
	add(typeUrls.secret, gatewaySecrets(view.secrets));
	return config;
}

interface Parts {
	readonly clusters: ResourcePart;
	readonly listeners: ResourcePart;
	readonly routes: ResourcePart;
}

const outboundParts = rememberedByView((view: OutboundView, options: GenerateOptions) =>
	partsOf(
		generateOutboundClusters(view, options.clusters ?? defaultClusterOptions),
		generateOutboundListeners(view),
		generateOutboundRoutes(view),
	),
);

const inboundParts = rememberedByView((view: InboundView, options: GenerateOptions) =>
	partsOf(generateInboundClusters(view), generateInboundListeners(view, options), []),
);

const gatewayParts = rememberedByView((view: GatewayView, options: GenerateOptions) =>
	partsOf(generateGatewayClusters(view, options.clusters ?? defaultClusterOptions), [], generateGatewayRoutes(view)),
);

const gatewayListeners = rememberedByView((view: GatewayView, secrets: readonly SecretView[]) =>
	resourcePart(generateGatewayListeners(view, gatewaySecretNames(secrets))),
);

const secretsRemembered = new WeakMap<readonly SecretView[], ResourcePart>();

function gatewaySecrets(secrets: readonly SecretView[]): ResourcePart {
	let part = secretsRemembered.get(secrets);
	if (!part) {
		part = resourcePart(generateGatewaySecrets(secrets));
		secretsRemembered.set(secrets, part);
	}
	return part;
}

/** Remembers by itself. */
function endpointsOf(proxy: MeshProxy, view: ProxyView): ResourcePart | undefined {
	const { gateway, outbound, endpoints } = view;
	if (proxy.type === "router") {
		return gateway && endpointPart(gateway.services, endpoints, { mesh: gateway.mesh, role: "gateway" });
	}
	return outbound && endpointPart(outbound.services, endpoints, { mesh: outbound.mesh, role: "sidecar" });
}

function partsOf(
	clusters: readonly EncodedResource[],
	listeners: readonly EncodedResource[],
	routes: readonly EncodedResource[],
): Parts {
	return {
		clusters: resourcePart(clusters),
		listeners: resourcePart(listeners),
		routes: resourcePart(routes),
	};
}

/** Remembers by the identity of both arguments, for as long as both live. */
function rememberedByView<First extends object, Second extends object, Result>(
	make: (first: First, second: Second) => Result,
): (first: First, second: Second) => Result {
	const results = new WeakMap<First, WeakMap<Second, { readonly result: Result }>>();
	return (first, second) => {
		let byOther = results.get(first);
		if (!byOther) {
			byOther = new WeakMap();
			results.set(first, byOther);
		}
		const found = byOther.get(second);
		if (found) return found.result;
		const result = make(first, second);
		byOther.set(second, { result });
		return result;
	};
}

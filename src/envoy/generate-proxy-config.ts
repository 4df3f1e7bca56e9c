// Proxy and view -> everything that the proxy should have. Each part is remembered by the identity of what it was made of,
// so that proxies with the same view get the very same parts, whose bytes are then sent from one copy.

import type { Proxy as MeshProxy } from "../model/proxy.ts";
import type { GatewayView, InboundView, OutboundView, ProxyView, SecretView } from "../model/view.ts";
import { type EncodedResource, type ProxyConfig, type ResourcePart, type TypeUrl, typeUrls } from "../xds/resource.ts";
import { type ClusterOptions, withCertificate, withoutCertificate } from "./cluster/cluster-options.ts";
import { generateGatewayClusters } from "./cluster/gateway-clusters.ts";
import { generateInboundClusters } from "./cluster/inbound-clusters.ts";
import { generateOutboundClusters } from "./cluster/outbound-clusters.ts";
import { meshRootSecret, workloadCertificateSecret } from "./cluster/secret-source.ts";
import { servedClusters } from "./cluster/served-clusters.ts";
import { resourcePart } from "./encode-resource.ts";
import { endpointPart } from "./endpoint/endpoint-part.ts";
import { secretsNamedIn } from "./find-dangling-references.ts";
import { generateGatewayListeners } from "./gateway/gateway-listeners.ts";
import { generateOutboundListeners } from "./listener/outbound-listeners.ts";
import { generateInboundListeners } from "./listener/virtual-inbound.ts";
import { generateProxylessClusters } from "./proxyless/proxyless-clusters.ts";
import { generateProxylessListeners, generateProxylessServerListeners } from "./proxyless/proxyless-listeners.ts";
import { generateProxylessRoutes } from "./proxyless/proxyless-routes.ts";
import { generateGatewayRoutes } from "./route/gateway-routes.ts";
import { generateOutboundRoutes } from "./route/outbound-routes.ts";
import { generateFileSecrets } from "./secret/file-secrets.ts";
import { gatewaySecretNames, generateGatewaySecrets } from "./secret/gateway-secrets.ts";

export function generateProxyConfig(proxy: MeshProxy, view: ProxyView): ProxyConfig {
	const options = proxy.workloadCertificate ? withCertificate : withoutCertificate;
	if (proxy.proxyless) return proxylessConfig(view);
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
	const served = (proxy.workloadCertificate ? servedWithCertificate : servedWithout)(view.secrets);
	for (const group of groups) add(typeUrls.cluster, servedClusters(group.clusters, served));
	add(typeUrls.endpoints, endpointsOf(proxy, view));
	for (const group of groups) add(typeUrls.listener, group.listeners);
	const servers = proxy.type === "router" && view.gateway ? gatewayListeners(view.gateway, served) : undefined;
	add(typeUrls.listener, servers);
	for (const group of groups) add(typeUrls.route, group.routes);
	add(typeUrls.secret, gatewaySecrets(view.secrets));
	const naming = [
		...groups.flatMap((group) => [
			fileSecretsOf(typeUrls.cluster, group.clusters),
			fileSecretsOf(typeUrls.listener, group.listeners),
		]),
		...(servers ? [fileSecretsOf(typeUrls.listener, servers)] : []),
	].filter((part) => part.resources.size > 0);
	// The same file may be named by a rule for clients and by a server: once is enough.
	add(typeUrls.secret, naming.length > 1 ? joinedParts(naming) : naming[0]);
	return config;
}

/** For a gRPC library (Istio's GENERATOR=grpc): only what it asks for by name, in a form that it understands. */
function proxylessConfig({ outbound, inbound, endpoints }: ProxyView): ProxyConfig {
	const set = (typeUrl: TypeUrl, ...parts: readonly (ResourcePart | undefined)[]) =>
		[typeUrl, { typeUrl, parts: parts.filter((part) => part !== undefined) }] as const;
	const client = outbound && proxylessClient(outbound);
	return new Map([
		set(typeUrls.cluster, client?.clusters),
		set(
			typeUrls.endpoints,
			outbound && endpointPart(outbound.services, endpoints, { mesh: outbound.mesh, role: "gateway" }),
		),
		set(typeUrls.listener, client?.listeners, inbound && proxylessServer(inbound)),
		set(typeUrls.route, client?.routes),
	]);
}

const proxylessClient = rememberedByIdentity((view: OutboundView) =>
	partsOf(generateProxylessClusters(view.services), generateProxylessListeners(view), generateProxylessRoutes(view)),
);

const proxylessServer = rememberedByIdentity((view: InboundView) =>
	resourcePart(generateProxylessServerListeners(view)),
);

interface Parts {
	readonly clusters: ResourcePart;
	readonly listeners: ResourcePart;
	readonly routes: ResourcePart;
}

const outboundParts = rememberedByView((view: OutboundView, options: ClusterOptions) =>
	partsOf(generateOutboundClusters(view, options), generateOutboundListeners(view), generateOutboundRoutes(view)),
);

const inboundParts = rememberedByView((view: InboundView, { workloadCertificate }: ClusterOptions) =>
	partsOf(generateInboundClusters(view), generateInboundListeners(view, workloadCertificate), []),
);

const gatewayParts = rememberedByView((view: GatewayView, options: ClusterOptions) =>
	partsOf(generateGatewayClusters(view, options), [], generateGatewayRoutes(view)),
);

const gatewayListeners = rememberedByView((view: GatewayView, served: ReadonlySet<string>) =>
	resourcePart(generateGatewayListeners(view, served)),
);

const servedWithout = rememberedByIdentity(gatewaySecretNames);

/** The proxy's node answers for its own certificate and the mesh's roots. */
const servedWithCertificate = rememberedByIdentity(
	(secrets: readonly SecretView[]) =>
		new Set([...gatewaySecretNames(secrets), workloadCertificateSecret, meshRootSecret]),
);

const gatewaySecrets = rememberedByIdentity((secrets: readonly SecretView[]) =>
	resourcePart(generateGatewaySecrets(secrets)),
);

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

const fileSecretsRemembered = new WeakMap<ResourcePart, ResourcePart>();

/** Secrets that the part's resources name by file. */
function fileSecretsOf(typeUrl: TypeUrl, part: ResourcePart): ResourcePart {
	const secrets = fileSecretsRemembered.get(part) ?? resourcePart(generateFileSecrets(secretsNamedIn(typeUrl, part)));
	fileSecretsRemembered.set(part, secrets);
	return secrets;
}

function joinedParts(parts: readonly ResourcePart[]): ResourcePart {
	return resourcePart([...new Map(parts.flatMap((part) => [...part.resources])).values()]);
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

function rememberedByIdentity<Input extends object, Result extends object>(
	make: (input: Input) => Result,
): (input: Input) => Result {
	const results = new WeakMap<Input, Result>();
	return (input) => {
		const found = results.get(input);
		if (found) return found;
		const result = make(input);
		results.set(input, result);
		return result;
	};
}

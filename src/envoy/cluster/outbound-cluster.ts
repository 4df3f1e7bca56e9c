// One ServiceCluster -> one Envoy Cluster.

import { renderSpiffeId } from "../../identity/spiffe-id.ts";
import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { Protocol } from "../../model/service.ts";
import type { ServiceView } from "../../model/view.ts";
import type { ClientTls } from "../../resources/kinds/networking.ts";
import type { EncodedResource } from "../../xds/resource.ts";
import { durationFromText } from "../duration.ts";
import { durationFromMs, encodeResource } from "../encode-resource.ts";
import { ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import { configPath, istioMetadata, serviceMetadata } from "../istio-metadata.ts";
import type { MessageFields } from "../message-fields.ts";
import { meshSni } from "../names.ts";
import { autoMtlsMatches, type ClientTlsContext, securedConnection, withProxyProtocol } from "./client-tls.ts";
import { discoveryFields } from "./cluster-discovery.ts";
import type { ClusterOptions } from "./cluster-options.ts";
import { circuitBreakers, keepalive } from "./connection-pool.ts";
import { commonLbConfig, loadBalancerFields } from "./load-balancer.ts";
import { localityPolicy } from "./locality-setting.ts";
import { outlierDetection } from "./outlier-detection.ts";
import type { ProxyRole, ServiceCluster } from "./service-clusters.ts";
import { httpProtocolOptions, upstreamProtocol } from "./upstream-protocol.ts";

type ClusterInit = MessageFields<typeof ClusterSchema>;

export interface OutboundClusterContext {
	readonly mesh: MeshSettings;
	readonly role: ProxyRole;
	readonly options: ClusterOptions;
}

/** Undefined for a DNS service (or subset) without endpoints: Envoy would refuse the cluster. */
export function outboundCluster(
	view: ServiceView,
	cluster: ServiceCluster,
	context: OutboundClusterContext,
): EncodedResource | undefined {
	const discovery = discoveryFields(view, cluster);
	if (discovery === undefined) return undefined;
	const { service } = view;
	const { policy, port } = cluster;
	const pool = policy?.connectionPool;
	const protocol = upstreamProtocol(port.protocol, pool, context.role === "sidecar");
	const tlsContext: ClientTlsContext = {
		meshSni: meshSni(port.number, cluster.subset?.name ?? "", service.hostname),
		serviceNames: service.subjectAltNames,
		meshNames: meshNames(view, context.mesh),
		protocol,
		speaksHttp: isHttp(port.protocol),
	};
	const automatic = automaticTls(view, cluster, context);
	const secured =
		automatic === "always"
			? securedConnection({ mode: "ISTIO_MUTUAL" }, tlsContext)
			: securedConnection(tlsForRole(policy?.tls, context.role), tlsContext);
	const auto = automatic === "byEndpoint";
	const proxyProtocol = policy?.proxyProtocol && !auto ? (policy.proxyProtocol.version ?? "V1") : undefined;
	const transportSocket = proxyProtocol ? withProxyProtocol(proxyProtocol, secured?.socket) : secured?.socket;
	return encodeResource(ClusterSchema, cluster.name, {
		name: cluster.name,
		connectTimeout: durationFromText(pool?.tcp?.connectTimeout) ?? durationFromMs(context.mesh.connectTimeoutMs),
		...loadBalancerFields(policy?.loadBalancer),
		commonLbConfig: commonLbConfig(policy?.outlierDetection, localityPolicy(service, policy, context.mesh.localityLb)),
		circuitBreakers: circuitBreakers(pool, policy?.retryBudget),
		upstreamConnectionOptions: keepalive(pool),
		outlierDetection: outlierDetection(policy?.outlierDetection),
		typedExtensionProtocolOptions: httpProtocolOptions({ protocol, pool, ...secured }),
		transportSocket,
		...(auto && { transportSocketMatches: [...autoMtlsMatches(tlsContext)] }),
		metadata: metadataOf(view, cluster),
		...discovery,
	});
}

function metadataOf(view: ServiceView, cluster: ServiceCluster): ClusterInit["metadata"] {
	const source = view.destination?.sources[0];
	return istioMetadata({
		services: [serviceMetadata(view.service)],
		default_original_port: cluster.port.number,
		...(source !== undefined && { config: configPath(source) }),
		...(cluster.subset && { subset: cluster.subset.name }),
		...(view.service.meshExternal && { external: true }),
	});
}

/** Istio's rule: a credentialName is for gateways, which may read the Secret; sidecars take the rule's tls as absent. */
export function tlsForRole(tls: ClientTls | undefined, role: ProxyRole): ClientTls | undefined {
	const ofGateway = tls?.credentialName && (tls.mode === "SIMPLE" || tls.mode === "MUTUAL");
	return ofGateway && role === "sidecar" ? undefined : tls;
}

/**
 * Istio's automatic mutual TLS, where no rule says anything else of TLS. An endpoint of the configuration says whether a
 * proxy stands before it; one that the client chose itself does not, so that all must have one. Never in a dynamic forward
 * proxy, where nothing is known (and Envoy 1.40 crashes on transport_socket_matches).
 */
export function automaticTls(
	{ service, securedPorts }: ServiceView,
	{ policy, port, discovery }: ServiceCluster,
	{ mesh, options }: OutboundClusterContext,
): "byEndpoint" | "always" | "never" {
	const possible = mesh.autoMtls && options.workloadCertificate && !service.meshExternal && policy?.tls === undefined;
	if (!possible || discovery === "dynamicDns") return "never";
	if (discovery !== "originalDestination") return "byEndpoint";
	return securedPorts?.includes(port.number) ? "always" : "never";
}

/** Who may answer for the service: names that its ServiceEntry gives, else the service accounts of its workloads. */
function meshNames({ service, accounts }: ServiceView, mesh: MeshSettings): readonly string[] {
	if (service.subjectAltNames.length > 0) return service.subjectAltNames;
	const trustDomains = [...new Set([mesh.trustDomain, ...mesh.trustDomainAliases])];
	return (accounts ?? []).flatMap((account) => {
		const [namespace = "", serviceAccount = ""] = account.split("/");
		return trustDomains.map((trustDomain) => renderSpiffeId({ trustDomain, namespace, serviceAccount }));
	});
}

function isHttp(protocol: Protocol): boolean {
	return protocol === "HTTP" || protocol === "HTTP2" || protocol === "GRPC" || protocol === "GRPC-WEB";
}

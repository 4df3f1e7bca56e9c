// What one proxy may know: the only input of a generator. A view that did not change is the same object, so generated
// resources can be remembered by identity; views that are equal for many proxies are shared between them.

import type { HotSwitchPolicy } from "../hotswitch/hot-switch-policy.ts";
import type { ObjectKey } from "../resources/config-object.ts";
import type {
	ConnectionPool,
	GatewayServer,
	HttpRoute,
	Subset,
	TcpRoute,
	TlsRoute,
	TrafficPolicy,
} from "../resources/kinds/networking.ts";
import type { Locality, ServiceEndpoints } from "./endpoint.ts";
import type { MeshSettings } from "./mesh-settings.ts";
import type { WorkloadSecurity } from "./security.ts";
import type { MeshService, Protocol, ServiceKey, ServicePort } from "./service.ts";

/** The DestinationRules that apply to a service for the clients of one view, merged by Istio's rules. */
export interface DestinationPolicy {
	readonly sources: readonly ObjectKey[];
	readonly trafficPolicy?: TrafficPolicy;
	readonly subsets: readonly Subset[];
}

export interface ServiceView {
	readonly service: MeshService;
	readonly destination?: DestinationPolicy;
	/** Only for `dns` and `dnsRoundRobin` services, whose endpoints are part of the cluster. */
	readonly endpoints?: ServiceEndpoints;
	/**
	 * `NAMESPACE/SERVICE-ACCOUNT` of all its workloads, sorted: who may answer for it (secure naming). Absent where they are
	 * not known, for example outside of the mesh.
	 */
	readonly accounts?: readonly string[];
	/** Only for `passthrough` services: ports of which every endpoint takes the mesh's mutual TLS. Absent: none. */
	readonly securedPorts?: readonly number[];
}

/**
 * A VirtualService made ready for one view: hosts and destination hosts are full names, delegates are merged in, matches of
 * other gateways, source labels and source namespaces are gone, and only hosts that it won (the oldest wins) are left.
 */
export interface RoutingRule {
	readonly source: ObjectKey;
	readonly hosts: readonly string[];
	readonly http: readonly HttpRoute[];
	readonly tls: readonly TlsRoute[];
	readonly tcp: readonly TcpRoute[];
}

/** Shared by all sidecars of a namespace that have the same scope. */
export interface OutboundView {
	readonly namespace: string;
	readonly mesh: MeshSettings;
	/** Sorted by host name; one entry for each host name. */
	readonly services: readonly ServiceView[];
	readonly rules: readonly RoutingRule[];
	readonly outboundTrafficPolicy: "ALLOW_ANY" | "REGISTRY_ONLY";
}

/** One port of the workload that the proxy stands in front of. */
export interface InboundPort {
	readonly targetPort: number;
	readonly protocol: Protocol;
	/** The service that owns it; absent for a port that only a Sidecar's ingress names. The oldest service wins. */
	readonly service?: MeshService;
	readonly servicePort?: ServicePort;
	/** Where the application listens when it is not the pod's own address and port (Sidecar ingress.defaultEndpoint). */
	readonly defaultEndpoint?: string;
	readonly connectionPool?: ConnectionPool;
}

export interface InboundView {
	readonly mesh: MeshSettings;
	readonly namespace: string;
	readonly interceptionMode: "REDIRECT" | "TPROXY" | "NONE";
	/** First address first. */
	readonly addresses: readonly string[];
	/** Sorted by target port. */
	readonly ports: readonly InboundPort[];
	/** Absent: no certificate, no policy. */
	readonly security?: WorkloadSecurity;
}

/** One server of one Gateway, with the rules bound to it. */
export interface GatewayServerView {
	readonly gateway: ObjectKey;
	readonly server: GatewayServer;
	/** Host names served, without their namespace part. */
	readonly hosts: readonly string[];
	/** Rules attached to the gateway whose hosts meet these; in precedence order. For HTTP, hosts are cut to the ones served. */
	readonly rules: readonly RoutingRule[];
	/** `http.8080` shared by all plain HTTP servers of a port, or `https.443.https-a.gw.ns`. Absent for TCP and pass-through. */
	readonly routeName?: string;
}

/** All servers that share an address and port. */
export interface GatewayListenerView {
	readonly bind: string;
	/** Port that the gateway's Envoy listens on (a Service's targetPort where one maps it). */
	readonly port: number;
	readonly transport: "plain" | "tls";
	readonly servers: readonly GatewayServerView[];
}

export interface GatewayView {
	readonly namespace: string;
	readonly mesh: MeshSettings;
	readonly listeners: readonly GatewayListenerView[];
	/** Services that the routes may name (all that are visible to the gateway's namespace). */
	readonly services: readonly ServiceView[];
	readonly security?: WorkloadSecurity;
}

/** Endpoints are apart from the rest: they change often and skip everything but EDS. */
export interface EndpointsView {
	readonly byService: ReadonlyMap<ServiceKey, ServiceEndpoints>;
	/** Locality of the client; matters only where locality load balancing is in force. */
	readonly locality: Locality;
	readonly network: string;
	readonly clusterId: string;
	/** Labels of the client; matter only for failoverPriority. */
	readonly labels?: Readonly<Record<string, string>>;
}

/** A TLS secret that a gateway of this proxy names (credentialName); PEM texts. */
export interface SecretView {
	/** Name in SDS, `kubernetes://bookinfo-cert`. */
	readonly name: string;
	readonly certificateChain?: string;
	readonly privateKey?: string;
	readonly caCertificate?: string;
}

export interface ProxyView {
	readonly outbound?: OutboundView;
	readonly inbound?: InboundView;
	readonly gateway?: GatewayView;
	/** Of sidecars: what may be done when it fails. */
	readonly hotSwitch?: HotSwitchPolicy;
	readonly endpoints: EndpointsView;
	readonly secrets: readonly SecretView[];
}

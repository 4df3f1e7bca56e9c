// Istio's networking kinds (networking.istio.io v1, v1beta1, v1alpha3), with Istio's field names in JSON form:
// durations are texts ("1.5s"), enumerations their names.

type Labels = Readonly<Record<string, string>>;

export interface NetworkingSpecs {
	VirtualService: VirtualServiceSpec;
	DestinationRule: DestinationRuleSpec;
	Gateway: GatewaySpec;
	ServiceEntry: ServiceEntrySpec;
	WorkloadEntry: WorkloadEntrySpec;
	Sidecar: SidecarSpec;
}

export interface VirtualServiceSpec {
	readonly hosts?: readonly string[];
	/** Default [`mesh`]. */
	readonly gateways?: readonly string[];
	readonly http?: readonly HttpRoute[];
	readonly tls?: readonly TlsRoute[];
	readonly tcp?: readonly TcpRoute[];
	readonly exportTo?: readonly string[];
}

export interface HttpRoute {
	readonly name?: string;
	readonly match?: readonly HttpMatch[];
	readonly route?: readonly HttpRouteDestination[];
	readonly redirect?: HttpRedirect;
	readonly directResponse?: {
		readonly status: number;
		readonly body?: { readonly string?: string; readonly bytes?: string };
	};
	readonly delegate?: { readonly name?: string; readonly namespace?: string };
	readonly rewrite?: {
		readonly uri?: string;
		readonly authority?: string;
		readonly uriRegexRewrite?: { readonly match?: string; readonly rewrite?: string };
	};
	readonly timeout?: string;
	readonly retries?: HttpRetry;
	readonly fault?: HttpFault;
	readonly mirror?: Destination;
	readonly mirrors?: readonly { readonly destination: Destination; readonly percentage?: Percent }[];
	readonly mirrorPercent?: number;
	readonly mirrorPercentage?: Percent;
	readonly corsPolicy?: CorsPolicy;
	readonly headers?: Headers;
}

export interface StringMatch {
	readonly exact?: string;
	readonly prefix?: string;
	readonly regex?: string;
}

export interface HttpMatch {
	readonly name?: string;
	readonly uri?: StringMatch;
	readonly scheme?: StringMatch;
	readonly method?: StringMatch;
	readonly authority?: StringMatch;
	/** An empty StringMatch means: present. */
	readonly headers?: Readonly<Record<string, StringMatch>>;
	readonly withoutHeaders?: Readonly<Record<string, StringMatch>>;
	readonly queryParams?: Readonly<Record<string, StringMatch>>;
	readonly port?: number;
	readonly sourceLabels?: Labels;
	readonly sourceNamespace?: string;
	readonly gateways?: readonly string[];
	readonly ignoreUriCase?: boolean;
	readonly statPrefix?: string;
}

export interface Destination {
	readonly host: string;
	readonly subset?: string;
	readonly port?: { readonly number: number };
}

export interface HttpRouteDestination {
	readonly destination: Destination;
	readonly weight?: number;
	readonly headers?: Headers;
}

export interface Headers {
	readonly request?: HeaderOperations;
	readonly response?: HeaderOperations;
}

export interface HeaderOperations {
	readonly set?: Readonly<Record<string, string>>;
	readonly add?: Readonly<Record<string, string>>;
	readonly remove?: readonly string[];
}

export interface HttpRedirect {
	readonly uri?: string;
	readonly authority?: string;
	readonly port?: number;
	readonly derivePort?: "FROM_PROTOCOL_DEFAULT" | "FROM_REQUEST_PORT";
	readonly scheme?: string;
	readonly redirectCode?: number;
}

export interface HttpRetry {
	readonly attempts?: number;
	readonly perTryTimeout?: string;
	readonly retryOn?: string;
	readonly retryRemoteLocalities?: boolean;
	readonly retryIgnorePreviousHosts?: boolean;
	readonly backoff?: string;
}

export interface Percent {
	readonly value?: number;
}

export interface HttpFault {
	readonly delay?: {
		readonly fixedDelay?: string;
		readonly percentage?: Percent;
		readonly percent?: number;
		readonly exponentialDelay?: string;
	};
	readonly abort?: {
		readonly httpStatus?: number;
		readonly grpcStatus?: string;
		readonly http2Error?: string;
		readonly percentage?: Percent;
	};
}

export interface CorsPolicy {
	readonly allowOrigin?: readonly string[];
	readonly allowOrigins?: readonly StringMatch[];
	readonly allowMethods?: readonly string[];
	readonly allowHeaders?: readonly string[];
	readonly exposeHeaders?: readonly string[];
	readonly maxAge?: string;
	readonly allowCredentials?: boolean;
	readonly unmatchedPreflights?: "UNSPECIFIED" | "FORWARD" | "IGNORE";
}

export interface TlsRoute {
	readonly match: readonly {
		readonly sniHosts: readonly string[];
		readonly destinationSubnets?: readonly string[];
		readonly port?: number;
		readonly sourceLabels?: Labels;
		readonly sourceNamespace?: string;
		readonly gateways?: readonly string[];
	}[];
	readonly route?: readonly RouteDestination[];
}

export interface TcpRoute {
	readonly match?: readonly {
		readonly destinationSubnets?: readonly string[];
		readonly port?: number;
		readonly sourceSubnet?: string;
		readonly sourceLabels?: Labels;
		readonly sourceNamespace?: string;
		readonly gateways?: readonly string[];
	}[];
	readonly route?: readonly RouteDestination[];
}

export interface RouteDestination {
	readonly destination: Destination;
	readonly weight?: number;
}

export interface DestinationRuleSpec {
	readonly host?: string;
	readonly trafficPolicy?: TrafficPolicy;
	readonly subsets?: readonly Subset[];
	readonly exportTo?: readonly string[];
	readonly workloadSelector?: { readonly matchLabels?: Labels };
}

export interface Subset {
	readonly name: string;
	readonly labels?: Labels;
	readonly trafficPolicy?: TrafficPolicy;
}

export interface PortTrafficPolicy {
	readonly loadBalancer?: LoadBalancer;
	readonly connectionPool?: ConnectionPool;
	readonly outlierDetection?: OutlierDetection;
	readonly tls?: ClientTls;
}

export interface TrafficPolicy extends PortTrafficPolicy {
	readonly portLevelSettings?: readonly (PortTrafficPolicy & { readonly port?: { readonly number?: number } })[];
	readonly tunnel?: unknown;
	readonly proxyProtocol?: { readonly version?: "V1" | "V2" };
	readonly retryBudget?: { readonly percent?: number; readonly minRetryConcurrency?: number };
}

export interface LoadBalancer {
	readonly simple?: "UNSPECIFIED" | "LEAST_CONN" | "RANDOM" | "PASSTHROUGH" | "ROUND_ROBIN" | "LEAST_REQUEST";
	readonly consistentHash?: {
		readonly httpHeaderName?: string;
		readonly httpCookie?: {
			readonly name?: string;
			readonly path?: string;
			readonly ttl?: string;
			readonly attributes?: readonly { readonly name?: string; readonly value?: string }[];
		};
		readonly useSourceIp?: boolean;
		readonly httpQueryParameterName?: string;
		readonly ringHash?: { readonly minimumRingSize?: number };
		readonly maglev?: { readonly tableSize?: number };
		readonly minimumRingSize?: number;
	};
	readonly localityLbSetting?: LocalityLbSetting;
	readonly warmup?: { readonly duration?: string; readonly minimumPercent?: number; readonly aggression?: number };
	readonly warmupDurationSecs?: string;
}

export interface LocalityLbSetting {
	readonly enabled?: boolean;
	readonly distribute?: readonly { readonly from?: string; readonly to?: Readonly<Record<string, number>> }[];
	readonly failover?: readonly { readonly from?: string; readonly to?: string }[];
	readonly failoverPriority?: readonly string[];
}

export interface ConnectionPool {
	readonly tcp?: {
		readonly maxConnections?: number;
		readonly connectTimeout?: string;
		readonly tcpKeepalive?: { readonly probes?: number; readonly time?: string; readonly interval?: string };
		readonly maxConnectionDuration?: string;
		readonly idleTimeout?: string;
	};
	readonly http?: {
		readonly http1MaxPendingRequests?: number;
		readonly http2MaxRequests?: number;
		readonly maxRequestsPerConnection?: number;
		readonly maxRetries?: number;
		readonly idleTimeout?: string;
		readonly h2UpgradePolicy?: "DEFAULT" | "DO_NOT_UPGRADE" | "UPGRADE";
		readonly useClientProtocol?: boolean;
		readonly maxConcurrentStreams?: number;
		readonly http2KeepAlive?: unknown;
	};
}

export interface OutlierDetection {
	readonly consecutiveErrors?: number;
	readonly consecutive5xxErrors?: number;
	readonly consecutiveGatewayErrors?: number;
	readonly consecutiveLocalOriginFailures?: number;
	readonly splitExternalLocalOriginErrors?: boolean;
	readonly interval?: string;
	readonly baseEjectionTime?: string;
	readonly maxEjectionPercent?: number;
	readonly minHealthPercent?: number;
}

export interface ClientTls {
	readonly mode?: "DISABLE" | "SIMPLE" | "MUTUAL" | "ISTIO_MUTUAL";
	readonly clientCertificate?: string;
	readonly privateKey?: string;
	readonly caCertificates?: string;
	readonly caCrl?: string;
	readonly credentialName?: string;
	readonly subjectAltNames?: readonly string[];
	readonly sni?: string;
	readonly insecureSkipVerify?: boolean;
}

export interface GatewaySpec {
	readonly selector?: Labels;
	readonly servers?: readonly GatewayServer[];
}

export interface GatewayServer {
	readonly name?: string;
	readonly port: {
		readonly number: number;
		readonly name?: string;
		readonly protocol: string;
		readonly targetPort?: number;
	};
	/** `ns/host`, `./host`, a plain host, or any namespace with an asterisk before the slash. */
	readonly hosts: readonly string[];
	readonly bind?: string;
	readonly defaultEndpoint?: string;
	readonly tls?: ServerTls;
}

export interface ServerTls {
	readonly mode?: "PASSTHROUGH" | "SIMPLE" | "MUTUAL" | "AUTO_PASSTHROUGH" | "ISTIO_MUTUAL" | "OPTIONAL_MUTUAL";
	readonly httpsRedirect?: boolean;
	readonly credentialName?: string;
	readonly credentialNames?: readonly string[];
	readonly caCertCredentialName?: string;
	readonly serverCertificate?: string;
	readonly privateKey?: string;
	readonly caCertificates?: string;
	readonly caCrl?: string;
	readonly subjectAltNames?: readonly string[];
	readonly minProtocolVersion?: "TLS_AUTO" | "TLSV1_0" | "TLSV1_1" | "TLSV1_2" | "TLSV1_3";
	readonly maxProtocolVersion?: "TLS_AUTO" | "TLSV1_0" | "TLSV1_1" | "TLSV1_2" | "TLSV1_3";
	readonly cipherSuites?: readonly string[];
	readonly verifyCertificateSpki?: readonly string[];
	readonly verifyCertificateHash?: readonly string[];
	readonly tlsCertificates?: readonly { readonly serverCertificate?: string; readonly privateKey?: string }[];
}

export interface ServiceEntrySpec {
	readonly hosts?: readonly string[];
	readonly addresses?: readonly string[];
	readonly ports?: readonly {
		readonly number: number;
		readonly name?: string;
		readonly protocol?: string;
		readonly targetPort?: number;
	}[];
	/** Default MESH_EXTERNAL. */
	readonly location?: "MESH_EXTERNAL" | "MESH_INTERNAL";
	/** Default NONE. */
	readonly resolution?: "NONE" | "STATIC" | "DNS" | "DNS_ROUND_ROBIN" | "DYNAMIC_DNS";
	readonly endpoints?: readonly WorkloadEntrySpec[];
	readonly workloadSelector?: { readonly labels?: Labels };
	readonly exportTo?: readonly string[];
	readonly subjectAltNames?: readonly string[];
}

export interface WorkloadEntrySpec {
	readonly address?: string;
	readonly ports?: Readonly<Record<string, number>>;
	readonly labels?: Labels;
	readonly network?: string;
	/** `region/zone/subzone`. */
	readonly locality?: string;
	readonly weight?: number;
	readonly serviceAccount?: string;
}

export interface SidecarSpec {
	readonly workloadSelector?: { readonly labels?: Labels };
	readonly ingress?: readonly {
		readonly port: {
			readonly number: number;
			readonly name?: string;
			/** Absent: found out from the first bytes. */
			readonly protocol?: string;
			readonly targetPort?: number;
		};
		readonly bind?: string;
		readonly captureMode?: "DEFAULT" | "IPTABLES" | "NONE";
		/** `127.0.0.1:8080`, `0.0.0.0:8080`, `[::1]:8080` or `unix://...`. */
		readonly defaultEndpoint?: string;
		readonly tls?: ServerTls;
		readonly connectionPool?: ConnectionPool;
	}[];
	readonly egress?: readonly {
		readonly hosts: readonly string[];
		readonly port?: {
			readonly number?: number;
			readonly name?: string;
			readonly protocol?: string;
			readonly targetPort?: number;
		};
		readonly bind?: string;
		readonly captureMode?: "DEFAULT" | "IPTABLES" | "NONE";
	}[];
	readonly inboundConnectionPool?: ConnectionPool;
	readonly outboundTrafficPolicy?: {
		readonly mode?: "ALLOW_ANY" | "REGISTRY_ONLY";
		readonly egressProxy?: Destination;
	};
}

// Generated configuration, encoded once. Sets are made of parts; a part that is equal for many proxies is one object, so
// that its bytes on the wire are made once and shared by all their streams.

export const typeUrls = {
	cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster",
	endpoints: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
	listener: "type.googleapis.com/envoy.config.listener.v3.Listener",
	route: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
	secret: "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
	/** Istio's NDS: names and addresses for the DNS server beside the proxy. */
	nameTable: "type.googleapis.com/istio.networking.nds.v1.NameTable",
} as const;

export type TypeUrl = string;

export interface EncodedResource {
	readonly name: string;
	/** Hash of the bytes: equal content has an equal version, on every replica and after every restart. */
	readonly version: string;
	/** The resource as an encoded google.protobuf.Any. */
	readonly any: Uint8Array;
}

/** Never changed after it was made. */
export interface ResourcePart {
	/** Sorted by name. */
	readonly resources: ReadonlyMap<string, EncodedResource>;
}

/** All resources of one type for one proxy. Names are unique across parts. */
export interface ResourceSet {
	readonly typeUrl: TypeUrl;
	readonly parts: readonly ResourcePart[];
}

/** Everything one proxy should have. */
export type ProxyConfig = ReadonlyMap<TypeUrl, ResourceSet>;

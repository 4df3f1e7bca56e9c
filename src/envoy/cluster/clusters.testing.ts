// Generated clusters, decoded, for tests.

import { anyUnpack } from "@bufbuild/protobuf/wkt";
import type { Protocol } from "../../model/service.ts";
import type { TrafficPolicy } from "../../resources/kinds/networking.ts";
import { type Cluster, ClusterSchema } from "../gen/envoy/config/cluster/v3/cluster_pb.ts";
import {
	type HttpProtocolOptions,
	HttpProtocolOptionsSchema,
} from "../gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";
import { decoded, named, outboundView, port, serviceView } from "../views.testing.ts";
import { generateOutboundClusters } from "./outbound-clusters.ts";

export const reviews = "outbound|9080||reviews.default.svc.cluster.local";
export const max = 4294967295;

/** The cluster of a service with this traffic policy. */
export function clusterWith(trafficPolicy: TrafficPolicy, protocol: Protocol = "HTTP"): Cluster {
	return clusterOf(serviceView("reviews", { ports: [port(9080, protocol)] }, { trafficPolicy }));
}

export function clusterOf(view: ReturnType<typeof serviceView>, name = reviews, workloadCertificate = false): Cluster {
	return decoded(ClusterSchema, named(generateOutboundClusters(outboundView([view]), { workloadCertificate }), name));
}

export function httpOptions(cluster: Cluster): HttpProtocolOptions | undefined {
	const any = cluster.typedExtensionProtocolOptions["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"];
	return any && anyUnpack(any, HttpProtocolOptionsSchema);
}

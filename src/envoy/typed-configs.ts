// Every message that a generated sidecar configuration may hold inside a google.protobuf.Any, resources themselves included.
// SniCluster is missing on purpose: only gateways have it.

import { createRegistry, type Registry } from "@bufbuild/protobuf";
import { ClusterSchema } from "./gen/envoy/config/cluster/v3/cluster_pb.ts";
import { ClusterLoadAssignmentSchema } from "./gen/envoy/config/endpoint/v3/endpoint_pb.ts";
import { ListenerSchema } from "./gen/envoy/config/listener/v3/listener_pb.ts";
import { FilterConfigSchema } from "./gen/envoy/config/route/v3/route_components_pb.ts";
import { RouteConfigurationSchema } from "./gen/envoy/config/route/v3/route_pb.ts";
import { FileAccessLogSchema } from "./gen/envoy/extensions/access_loggers/file/v3/file_pb.ts";
import {
	StderrAccessLogSchema,
	StdoutAccessLogSchema,
} from "./gen/envoy/extensions/access_loggers/stream/v3/stream_pb.ts";
import { DnsClusterSchema } from "./gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.ts";
import { ClusterConfigSchema } from "./gen/envoy/extensions/clusters/dynamic_forward_proxy/v3/cluster_pb.ts";
import { CorsPolicySchema, CorsSchema } from "./gen/envoy/extensions/filters/http/cors/v3/cors_pb.ts";
import {
	ExtAuthzPerRouteSchema,
	ExtAuthzSchema as HttpExtAuthzSchema,
} from "./gen/envoy/extensions/filters/http/ext_authz/v3/ext_authz_pb.ts";
import { HTTPFaultSchema } from "./gen/envoy/extensions/filters/http/fault/v3/fault_pb.ts";
import { JwtAuthenticationSchema } from "./gen/envoy/extensions/filters/http/jwt_authn/v3/config_pb.ts";
import { RBACSchema as HttpRbacSchema } from "./gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.ts";
import { RouterSchema } from "./gen/envoy/extensions/filters/http/router/v3/router_pb.ts";
import { ConfigSchema as SetFilterStateSchema } from "./gen/envoy/extensions/filters/http/set_filter_state/v3/set_filter_state_pb.ts";
import { HttpInspectorSchema } from "./gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.ts";
import { OriginalDstSchema } from "./gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.ts";
import { TlsInspectorSchema } from "./gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.ts";
import { ExtAuthzSchema as TcpExtAuthzSchema } from "./gen/envoy/extensions/filters/network/ext_authz/v3/ext_authz_pb.ts";
import { HttpConnectionManagerSchema } from "./gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { RBACSchema as TcpRbacSchema } from "./gen/envoy/extensions/filters/network/rbac/v3/rbac_pb.ts";
import { TcpProxySchema } from "./gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.ts";
import { UriTemplateMatchConfigSchema } from "./gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.ts";
import { PreviousHostsPredicateSchema } from "./gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.ts";
import { PreviousPrioritiesConfigSchema } from "./gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.ts";
import { ProxyProtocolUpstreamTransportSchema } from "./gen/envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol_pb.ts";
import { RawBufferSchema } from "./gen/envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer_pb.ts";
import { SecretSchema } from "./gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.ts";
import {
	DownstreamTlsContextSchema,
	UpstreamTlsContextSchema,
} from "./gen/envoy/extensions/transport_sockets/tls/v3/tls_pb.ts";
import { HttpProtocolOptionsSchema } from "./gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.ts";

export const typedConfigs: Registry = createRegistry(
	ClusterConfigSchema,
	DnsClusterSchema,
	CorsPolicySchema,
	CorsSchema,
	ExtAuthzPerRouteSchema,
	HttpExtAuthzSchema,
	HTTPFaultSchema,
	JwtAuthenticationSchema,
	HttpRbacSchema,
	RouterSchema,
	SetFilterStateSchema,
	HttpInspectorSchema,
	OriginalDstSchema,
	TlsInspectorSchema,
	TcpExtAuthzSchema,
	HttpConnectionManagerSchema,
	TcpRbacSchema,
	TcpProxySchema,
	FileAccessLogSchema,
	StderrAccessLogSchema,
	StdoutAccessLogSchema,
	UriTemplateMatchConfigSchema,
	PreviousHostsPredicateSchema,
	PreviousPrioritiesConfigSchema,
	ProxyProtocolUpstreamTransportSchema,
	RawBufferSchema,
	DownstreamTlsContextSchema,
	UpstreamTlsContextSchema,
	HttpProtocolOptionsSchema,
	SecretSchema,
	ClusterSchema,
	ClusterLoadAssignmentSchema,
	ListenerSchema,
	FilterConfigSchema,
	RouteConfigurationSchema,
);

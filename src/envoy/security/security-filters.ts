// The policies of a workload -> the filters that hold them, in Istio's order: external authorisation, tokens, access control.

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { WorkloadSecurity } from "../../model/security.ts";
import type { Filter } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { HttpFilter } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";
import { httpAccessFilters, tcpAccessFilters } from "./access-filters.ts";
import { externalHttpFilters, externalTcpFilters } from "./external-authorization.ts";
import { rememberedForPolicies } from "./remembered-for-policies.ts";
import { tokenFilters } from "./token-filters.ts";

/** For an HTTP connection manager, in front of everything else. */
export function httpSecurityFilters(security: WorkloadSecurity | undefined, mesh: MeshSettings): readonly HttpFilter[] {
	return security ? httpFilters(security, mesh) : [];
}

/** For a chain that proxies bytes, in front of the TCP proxy. `sniffed`: of a port that speaks HTTP on other chains. */
export function tcpSecurityFilters(
	security: WorkloadSecurity | undefined,
	mesh: MeshSettings,
	sniffed = false,
): readonly Filter[] {
	return security ? (sniffed ? sniffedTcpFilters : tcpFilters)(security, mesh) : [];
}

const httpFilters = rememberedForPolicies((security: WorkloadSecurity, mesh) => [
	...externalHttpFilters(security.authorization, mesh),
	...tokenFilters(security.authentication, mesh),
	...httpAccessFilters(security.authorization, mesh),
]);

const tcpFilters = rememberedForPolicies((security: WorkloadSecurity, mesh) => [
	...externalTcpFilters(security.authorization, mesh, false),
	...tcpAccessFilters(security.authorization, mesh),
]);

const sniffedTcpFilters = rememberedForPolicies((security: WorkloadSecurity, mesh) => [
	...externalTcpFilters(security.authorization, mesh, true),
	...tcpAccessFilters(security.authorization, mesh),
]);

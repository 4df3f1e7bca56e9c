// CUSTOM policies -> a shadow RBAC filter that says which requests they meet, and ext_authz for those.

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { AuthorizationPolicyView } from "../../model/security.ts";
import type { Filter } from "../gen/envoy/config/listener/v3/listener_components_pb.ts";
import type { HttpFilter } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";

export function externalHttpFilters(
	_policies: readonly AuthorizationPolicyView[],
	_mesh: MeshSettings,
): readonly HttpFilter[] {
	return [];
}

export function externalTcpFilters(
	_policies: readonly AuthorizationPolicyView[],
	_mesh: MeshSettings,
): readonly Filter[] {
	return [];
}

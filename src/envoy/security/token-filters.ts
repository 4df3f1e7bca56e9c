// RequestAuthentication's rules -> Envoy's jwt_authn filter.

import type { MeshSettings } from "../../model/mesh-settings.ts";
import type { JwtRuleView } from "../../model/security.ts";
import type { HttpFilter } from "../gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.ts";

export function tokenFilters(_rules: readonly JwtRuleView[], _mesh: MeshSettings): readonly HttpFilter[] {
	return [];
}

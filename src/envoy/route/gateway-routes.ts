// GatewayView -> route tables: one for each routeName, shared by the servers that name it.

import type { GatewayView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";

export function generateGatewayRoutes(_view: GatewayView): readonly EncodedResource[] {
	return [];
}

// OutboundView -> route tables: one for each HTTP port, one for each sniffed service port.

import type { OutboundView } from "../../model/view.ts";
import type { EncodedResource } from "../../xds/resource.ts";

export function generateOutboundRoutes(_view: OutboundView): readonly EncodedResource[] {
	return [];
}

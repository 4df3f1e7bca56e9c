// Whether a flow is one that a filter means. In: a flow and a filter. Out: yes or no.

import type { Flow, FlowFilter } from "./conntrack-table.ts";

export function flowMatches(flow: Flow, filter: FlowFilter): boolean {
	const { family, protocol, destinationTranslated, seenReply, destination, destinationPort, mark, zone } = filter;
	return (
		(family === undefined || flow.family === family) &&
		(protocol === undefined || flow.protocol === protocol) &&
		(destinationTranslated === undefined || flow.status.destinationTranslated === destinationTranslated) &&
		(seenReply === undefined || flow.status.seenReply === seenReply) &&
		(destination === undefined || flow.original.destination === destination) &&
		(destinationPort === undefined || flow.original.destinationPort === destinationPort) &&
		(mark === undefined || (flow.mark & mark.mask) >>> 0 === mark.value >>> 0) &&
		(zone === undefined || flow.zone === zone)
	);
}

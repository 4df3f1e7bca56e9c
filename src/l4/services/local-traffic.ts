// Whether packets of one family from this cluster's pods can be told apart, and how: kube-proxy's detectors are for one family.

import type { IpFamily } from "../balancer.ts";
import type { LocalTraffic, NodeFacts } from "../node-facts.ts";
import { familyOf, rangeHolds } from "./canonical-address.ts";

/** Only the ranges of that family; undefined where there are none: pods of it look like everybody else. */
export function localTrafficOf(node: Pick<NodeFacts, "localTraffic">, family: IpFamily): LocalTraffic | undefined {
	const traffic = node.localTraffic;
	if (traffic?.type !== "ranges") return traffic;
	const ranges = traffic.ranges.filter((range) => familyOf(range) === family);
	return ranges.length > 0 ? { type: "ranges", ranges } : undefined;
}

/** A packet from that address that came in by that interface; undefined: made on the node itself. */
export function isLocalTraffic(
	traffic: LocalTraffic | undefined,
	packet: { readonly source: string; readonly interface?: string },
): boolean {
	switch (traffic?.type) {
		case undefined:
			return false;
		case "ranges":
			return traffic.ranges.some((range) => rangeHolds(range, packet.source));
		case "interface":
			if (packet.interface === undefined) return false;
			return traffic.isPrefix ? packet.interface.startsWith(traffic.name) : packet.interface === traffic.name;
		default:
			return traffic satisfies never;
	}
}

// Groups of endpoints -> an encoded ClusterLoadAssignment, joined from the remembered bytes of its endpoints.
// Fields: ClusterLoadAssignment {cluster_name 1, endpoints 2}; LocalityLbEndpoints {locality 1, lb_endpoints 2,
// load_balancing_weight 3, priority 5}.

import { type EncodedResource, typeUrls } from "../../xds/resource.ts";
import { encodedFromBytes } from "../encode-resource.ts";
import { bytesOf, joined, lengthField, stringField, varint, varintField } from "../wire-text.ts";
import { lbEndpointBytes } from "./lb-endpoint.ts";
import type { LocalityGroup } from "./locality-groups.ts";

/** Key of a length-delimited field 2. */
const field2 = String.fromCharCode((2 << 3) | 2);

export function encodeLoadAssignment(clusterName: string, groups: readonly LocalityGroup[]): EncodedResource {
	const pieces: Uint8Array[] = [bytesOf(stringField(1, clusterName))];
	for (const group of groups) appendGroup(pieces, group);
	return encodedFromBytes(clusterName, typeUrls.endpoints, joined(pieces));
}

function appendGroup(pieces: Uint8Array[], group: LocalityGroup): void {
	const { region, zone, subzone } = group.locality;
	const head = lengthField(1, stringField(1, region) + stringField(2, zone) + stringField(3, subzone));
	const tail =
		lengthField(3, varintField(1, group.weight)) + (group.priority > 0 ? varintField(5, group.priority) : "");
	const members: Uint8Array[] = [];
	let length = head.length + tail.length;
	for (const endpoint of group.endpoints) {
		const bytes = lbEndpointBytes(endpoint);
		const key = bytesOf(field2 + varint(bytes.length));
		members.push(key, bytes);
		length += key.length + bytes.length;
	}
	pieces.push(bytesOf(field2 + varint(length) + head), ...members, bytesOf(tail));
}

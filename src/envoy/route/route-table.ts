// Virtual hosts -> an encoded RouteConfiguration. Put together from bytes, so that one changed rule does not mean that a
// table of a thousand hosts is encoded again.
// Fields: RouteConfiguration {name 1, virtual_hosts 2, response_headers_to_remove 5, validate_clusters 7, max_direct_response_body_size_bytes 11,
// ignore_port_in_host_matching 14}; VirtualHost {name 1, domains 2, routes 3, require_tls 4,
// include_request_attempt_count 14}.

import { type EncodedResource, typeUrls } from "../../xds/resource.ts";
import { encodedFromBytes } from "../encode-resource.ts";
import { VirtualHost_TlsRequirementType } from "../gen/envoy/config/route/v3/route_components_pb.ts";
import { undeliveredHeader } from "../undelivered.ts";
import { bytesOf, joined, lengthField, stringField, varint, varintField } from "../wire-text.ts";

export interface VirtualHost {
	/** `reviews.default.svc.cluster.local:9080` */
	readonly name: string;
	readonly domains: readonly string[];
	/** Encoded Routes, in order. */
	readonly routes: readonly Uint8Array[];
	/** Plain HTTP is redirected to HTTPS. */
	readonly requireTls?: boolean;
}

/** Enough for any body that a VirtualService can hold; Envoy's own limit is 4 KiB. */
const maxDirectResponseBodyBytes = 1024 * 1024;

const tableTail = bytesOf(
	stringField(5, undeliveredHeader) +
		lengthField(7, "") +
		lengthField(11, varintField(1, maxDirectResponseBodyBytes)) +
		varintField(14, 1),
);

/** Key of a length-delimited field. */
const keyOf = (field: number): string => String.fromCharCode((field << 3) | 2);

export function encodeRouteTable(name: string, virtualHosts: readonly VirtualHost[]): EncodedResource {
	const pieces: Uint8Array[] = [bytesOf(stringField(1, name))];
	for (const virtualHost of virtualHosts) appendVirtualHost(pieces, virtualHost);
	pieces.push(tableTail);
	return encodedFromBytes(name, typeUrls.route, joined(pieces));
}

function appendVirtualHost(pieces: Uint8Array[], { name, domains, routes, requireTls }: VirtualHost): void {
	let head = stringField(1, name);
	for (const domain of domains) head += stringField(2, domain);
	const tail = (requireTls ? varintField(4, VirtualHost_TlsRequirementType.ALL) : "") + varintField(14, 1);
	const keys = routes.map((route) => keyOf(3) + varint(route.length));
	const [firstKey, ...otherKeys] = keys;
	let length = head.length + tail.length;
	for (const [index, route] of routes.entries()) length += route.length + (keys[index]?.length ?? 0);
	pieces.push(bytesOf(keyOf(2) + varint(length) + head + (firstKey ?? "")));
	for (const [index, route] of routes.entries()) {
		pieces.push(route);
		const nextKey = otherKeys[index];
		if (nextKey !== undefined) pieces.push(bytesOf(nextKey));
	}
	pieces.push(bytesOf(tail));
}

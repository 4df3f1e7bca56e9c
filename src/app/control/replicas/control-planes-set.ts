// The replicas as nodes are told of them: one resource, the same at each replica.

import { encodedFromBytes, resourcePart } from "../../../envoy/encode-resource.ts";
import {
	controlPlanesName,
	controlPlanesTypeUrl,
	encodeControlPlanes,
} from "../../../replicas/control-planes-codec.ts";
import type { ResourceSet } from "../../../xds/resource.ts";

/** `host:port` of each. */
export function controlPlanesSet(addresses: readonly string[]): ResourceSet {
	const resource = encodedFromBytes(controlPlanesName, controlPlanesTypeUrl, encodeControlPlanes(addresses));
	return { typeUrl: controlPlanesTypeUrl, parts: [resourcePart([resource])] };
}

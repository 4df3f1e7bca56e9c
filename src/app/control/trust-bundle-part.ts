// What the authority wants trusted, as the one resource that every proxy with a workload certificate gets.

import { encodedFromBytes, resourcePart } from "../../envoy/encode-resource.ts";
import {
	encodeTrustBundle,
	type TrustBundle,
	trustBundleName,
	trustBundleTypeUrl,
} from "../../identity/trust-bundle.ts";
import type { ResourcePart } from "../../xds/resource.ts";

export interface TrustBundleResource {
	readonly version: string;
	readonly part: ResourcePart;
}

/** `epoch`: the stage of the rotation, 0 before the first one. */
export function trustBundleResource(bundle: TrustBundle, epoch: number): TrustBundleResource {
	const bytes = encodeTrustBundle({ ...bundle, ...(epoch > 0 ? { epoch } : {}) });
	const resource = encodedFromBytes(trustBundleName, trustBundleTypeUrl, bytes);
	return { version: resource.version, part: resourcePart([resource]) };
}

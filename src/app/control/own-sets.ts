// What a proxy's node gets on the proxy's stream besides what is for its Envoy: the names that its DNS answers, and what may
// be done when the proxy fails.

import { encodedFromBytes, resourcePart } from "../../envoy/encode-resource.ts";
import type { HotSwitchPolicy } from "../../hotswitch/hot-switch-policy.ts";
import {
	encodeHotSwitchPolicy,
	hotSwitchPolicyName,
	hotSwitchPolicyTypeUrl,
} from "../../hotswitch/hot-switch-policy-codec.ts";
import type { Proxy as MeshProxy } from "../../model/proxy.ts";
import type { ProxyView } from "../../model/view.ts";
import type { Snapshot } from "../../snapshot/snapshot.ts";
import { type ResourcePart, type ResourceSet, type TypeUrl, typeUrls } from "../../xds/resource.ts";
import { NameTableParts } from "./name-table-parts.ts";

export class OwnSets {
	readonly #nameTables = new NameTableParts();
	readonly #hotSwitches = new WeakMap<HotSwitchPolicy, ResourcePart>();

	/** Entries for the proxy's configuration. Equal policies are one object in the views, and so one part here. */
	setsFor(snapshot: Snapshot, proxy: MeshProxy, view: ProxyView): readonly (readonly [TypeUrl, ResourceSet])[] {
		const parts = [
			[typeUrls.nameTable, this.#nameTables.partFor(snapshot, proxy, view)],
			[hotSwitchPolicyTypeUrl, view.hotSwitch && this.#hotSwitchPart(view.hotSwitch)],
		] as const;
		return parts.map(([typeUrl, part]) => [typeUrl, { typeUrl, parts: part ? [part] : [] }]);
	}

	#hotSwitchPart(policy: HotSwitchPolicy): ResourcePart {
		const known = this.#hotSwitches.get(policy);
		if (known) return known;
		const bytes = encodeHotSwitchPolicy(policy);
		const part = resourcePart([encodedFromBytes(hotSwitchPolicyName, hotSwitchPolicyTypeUrl, bytes)]);
		this.#hotSwitches.set(policy, part);
		return part;
	}
}

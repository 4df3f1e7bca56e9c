// What a pod's sidecar has accepted, response by response -> its whole configuration now. A sidecar that starts anew accepts
// everything again, in parts; what it has not named yet still counts, so that the spare loses nothing meanwhile.

import { resourcePart } from "../../envoy/encode-resource.ts";
import { referencesOf } from "../../envoy/references.ts";
import {
	type EncodedResource,
	type ProxyConfig,
	type ResourceSet,
	type TypeUrl,
	typeUrls,
} from "../../xds/resource.ts";

export interface AcceptedChange {
	readonly typeUrl: TypeUrl;
	/** The sidecar had nothing of the type before. */
	readonly isFirst: boolean;
	readonly resources: readonly EncodedResource[];
	readonly removed: readonly string[];
}

/** Of these a sidecar takes all there are; of others those that these name. */
const wholeTypes: ReadonlySet<TypeUrl> = new Set([typeUrls.cluster, typeUrls.listener]);

export function withAccepted(before: ProxyConfig, change: AcceptedChange): ProxyConfig {
	const { typeUrl, isFirst, resources, removed } = change;
	const isWhole = isFirst && wholeTypes.has(typeUrl);
	const byName = new Map((isWhole ? [] : resourcesOf(before, typeUrl)).map((one) => [one.name, one]));
	for (const resource of resources) byName.set(resource.name, resource);
	for (const name of removed) byName.delete(name);
	const after = new Map(before).set(typeUrl, { typeUrl, parts: [resourcePart([...byName.values()])] });
	return isWhole ? withoutUnnamed(after) : after;
}

/** Without route tables and endpoints that nothing names any more. */
function withoutUnnamed(config: ProxyConfig): ProxyConfig {
	const named = new Map<TypeUrl, Set<string>>([
		[typeUrls.endpoints, new Set()],
		[typeUrls.route, new Set()],
	]);
	for (const typeUrl of wholeTypes)
		for (const resource of resourcesOf(config, typeUrl))
			for (const to of referencesOf(typeUrl, resource)) named.get(to.typeUrl)?.add(to.name);
	const pruned = new Map(config);
	for (const [typeUrl, names] of named) {
		const all = resourcesOf(config, typeUrl);
		const kept = all.filter(({ name }) => names.has(name));
		if (kept.length < all.length) pruned.set(typeUrl, { typeUrl, parts: [resourcePart(kept)] });
	}
	return pruned;
}

export function resourcesOf(config: ProxyConfig, typeUrl: TypeUrl): readonly EncodedResource[] {
	return resourcesIn(config.get(typeUrl));
}

export function resourcesIn(set: ResourceSet | undefined): readonly EncodedResource[] {
	return (set?.parts ?? []).flatMap(({ resources }) => [...resources.values()]);
}

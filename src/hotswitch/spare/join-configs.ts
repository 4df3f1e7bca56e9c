// Configurations of pods, made for the spare -> the configuration of the spare. Their names never meet.

import type { ProxyConfig, ResourcePart, TypeUrl } from "../../xds/resource.ts";

export function joinConfigs(configs: Iterable<ProxyConfig>): ProxyConfig {
	const joined = new Map<TypeUrl, { typeUrl: TypeUrl; parts: ResourcePart[] }>();
	for (const config of configs) {
		for (const { typeUrl, parts } of config.values()) {
			const set = joined.get(typeUrl) ?? { typeUrl, parts: [] };
			set.parts.push(...parts);
			joined.set(typeUrl, set);
		}
	}
	return joined;
}

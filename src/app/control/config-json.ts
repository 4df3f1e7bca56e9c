// A proxy's configuration as JSON for people and tools: by type, sorted by name, keys redacted.

import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { type ProxyConfig, typeUrls } from "../../xds/resource.ts";
import type { AnyRegistry } from "./any-registry.ts";
import { redactSecrets } from "./redact.ts";

export const configSections = ["clusters", "endpoints", "listeners", "routes", "secrets"] as const;

export type ConfigSection = (typeof configSections)[number];

const typeOfSection: Readonly<Record<ConfigSection, string>> = {
	clusters: typeUrls.cluster,
	endpoints: typeUrls.endpoints,
	listeners: typeUrls.listener,
	routes: typeUrls.route,
	secrets: typeUrls.secret,
};

export type ConfigJson = Readonly<Record<ConfigSection, readonly JsonValue[]>>;

/** Each resource in canonical protobuf JSON, as Envoy would read it from a file. */
export async function configToJson(
	config: ProxyConfig,
	registry: AnyRegistry,
	sections: readonly ConfigSection[] = configSections,
): Promise<Partial<ConfigJson>> {
	const json: Partial<Record<ConfigSection, JsonValue[]>> = {};
	for (const section of sections) {
		const resources = (config.get(typeOfSection[section])?.parts ?? []).flatMap((part) => [...part.resources.values()]);
		resources.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
		const items: JsonValue[] = [];
		for (const resource of resources) {
			const { "@type": _, ...fields } = (await registry.toJson(resource.any)) as JsonObject;
			items.push(redactSecrets(fields));
		}
		json[section] = items;
	}
	return json;
}

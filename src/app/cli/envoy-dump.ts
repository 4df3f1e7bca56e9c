// What an Envoy says that it has: its admin's /config_dump as the same sections that a control plane sends. Names of fields
// stay Envoy's own in JSON (snake_case); tables read the canonical form (camelCase).

type Json = Readonly<Record<string, unknown>>;

export interface EnvoyDump {
	readonly configs: readonly Json[];
}

/** Section -> type of its dump, and the field that holds a resource. */
const dumps = {
	clusters: ["ClustersConfigDump", "cluster"],
	endpoints: ["EndpointsConfigDump", "endpoint_config"],
	listeners: ["ListenersConfigDump", "listener"],
	routes: ["RoutesConfigDump", "route_config"],
	secrets: ["SecretsConfigDump", "secret"],
} as const;

/** The resources in force: a warming one only when none is active. */
export function sectionsOfDump(dump: EnvoyDump): Readonly<Record<keyof typeof dumps, readonly Json[]>> {
	const section = (name: keyof typeof dumps): readonly Json[] => {
		const [type, field] = dumps[name];
		return partsOf(dump, type)
			.flatMap((part) => Object.values(part).filter((value): value is readonly Json[] => Array.isArray(value)))
			.flat()
			.flatMap((entry) => {
				const state = (entry.active_state ?? entry.warming_state ?? entry) as Json;
				const resource = state[field] as Json | undefined;
				if (!resource) return [];
				const { "@type": _, ...fields } = resource;
				return [fields];
			})
			.sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : nameOf(a) > nameOf(b) ? 1 : 0));
	};
	return {
		clusters: section("clusters"),
		endpoints: section("endpoints"),
		listeners: section("listeners"),
		routes: section("routes"),
		secrets: section("secrets"),
	};
}

export function bootstrapOfDump(dump: EnvoyDump): unknown {
	return partsOf(dump, "BootstrapConfigDump")[0]?.bootstrap;
}

/** With the names of fields as canonical protobuf JSON has them. */
export function camelCased(value: unknown): unknown {
	if (Array.isArray(value)) return value.map(camelCased);
	if (typeof value !== "object" || value === null) return value;
	return Object.fromEntries(
		Object.entries(value).map(([key, inner]) => [
			key.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
			camelCased(inner),
		]),
	);
}

function partsOf(dump: EnvoyDump, type: string): readonly Json[] {
	return dump.configs.filter((config) => String(config["@type"]).endsWith(`.${type}`));
}

function nameOf(resource: Json): string {
	return String(resource.name ?? resource.cluster_name ?? "");
}

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { bootstrapOfDump, camelCased, sectionsOfDump } from "./envoy-dump.ts";

const dump = {
	configs: [
		{ "@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump", bootstrap: { node: { id: "n" } } },
		{
			"@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
			version_info: "1",
			static_clusters: [{ cluster: { "@type": "t", name: "z" } }],
			dynamic_active_clusters: [{ version_info: "1", cluster: { "@type": "t", name: "a" } }],
		},
		{
			"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
			dynamic_listeners: [
				{
					name: "l",
					active_state: { listener: { name: "l", x: 1 } },
					warming_state: { listener: { name: "l", x: 2 } },
				},
				{ name: "never", error_state: { details: "refused" } },
			],
		},
		{
			"@type": "type.googleapis.com/envoy.admin.v3.ScopedRoutesConfigDump",
			dynamic_scoped_route_configs: [{ route_config: { name: "scoped" } }],
		},
		{
			"@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
			dynamic_route_configs: [{ route_config: { name: "9080" } }],
		},
	],
};

describe("a dump of Envoy's configuration", () => {
	it("is read as sections, static and dynamic together, by name", () => {
		const { clusters, routes, endpoints } = sectionsOfDump(dump);
		assert.deepEqual([clusters, routes, endpoints], [[{ name: "a" }, { name: "z" }], [{ name: "9080" }], []]);
		assert.deepEqual(bootstrapOfDump(dump), { node: { id: "n" } });
	});

	it("shows the listener in force, not the one that warms, and none that was refused", () => {
		assert.deepEqual(sectionsOfDump(dump).listeners, [{ name: "l", x: 1 }]);
	});

	it("has canonical names of fields for tables", () => {
		const read = camelCased([{ virtual_hosts: [{ name: "a_b", ip_v4: 1 }] }]);
		assert.deepEqual(read, [{ virtualHosts: [{ name: "a_b", ipV4: 1 }] }]);
	});
});

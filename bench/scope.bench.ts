// How many bytes of configuration a sidecar gets in a mesh of 1,000 services in 20 namespaces: unscoped, with a Sidecar
// resource, and scoped automatically by MeshConfig. Sizes are exact, so minimum and maximum are equal.

import { generateProxyConfig } from "../src/envoy/generate-proxy-config.ts";
import {
	aMeshConfig,
	anEndpointSlice,
	aProxy,
	applied,
	aService,
	aSidecar,
	aVirtualService,
} from "../src/model/model.testing.ts";
import type { AnyObject } from "../src/resources/config-object.ts";
import { applyChanges, emptySnapshot } from "../src/snapshot/snapshot.ts";
import { viewFor } from "../src/snapshot/view-for.ts";
import type { ProxyConfig } from "../src/xds/resource.ts";
import { type BenchRow, reportBench, spreadOf } from "./support/bench-report.ts";

const namespaces = 20;
const servicesOfNamespace = 50;
const endpointsOfService = 20;
const proxy = aProxy("client", { namespace: "ns-0" });

const mesh: readonly AnyObject[] = Array.from({ length: namespaces }, (_, ns) =>
	Array.from({ length: servicesOfNamespace }, (_, index) => servicePair(`ns-${ns}`, ns, index)),
).flat(2);
/** The workload of ns-0 also calls one service of ns-7, which a rule of its namespace says. */
const rule = aVirtualService(
	"other",
	{
		hosts: ["svc-3.ns-7.svc.cluster.local"],
		http: [{ timeout: "2s", route: [{ destination: { host: "svc-3.ns-7.svc.cluster.local" } }] }],
	},
	{ namespace: "ns-0" },
);
const cases: readonly (readonly [string, readonly AnyObject[]])[] = [
	["unscoped", []],
	[
		"Sidecar: own namespace and one more service",
		[aSidecar("default", { egress: [{ hosts: ["./*", "ns-7/svc-3.ns-7.svc.cluster.local"] }] }, { namespace: "ns-0" })],
	],
	[
		"Sidecar: three services",
		[
			aSidecar(
				"default",
				{
					egress: [
						{
							hosts: [
								"./svc-1.ns-0.svc.cluster.local",
								"./svc-2.ns-0.svc.cluster.local",
								"ns-7/svc-3.ns-7.svc.cluster.local",
							],
						},
					],
				},
				{ namespace: "ns-0" },
			),
		],
	],
	["MeshConfig sidecarScope: auto", [aMeshConfig({ sidecarScope: "auto" })]],
];
const rows: BenchRow[] = [];
for (const [what, extra] of cases) {
	const { snapshot } = applyChanges(emptySnapshot(), applied(...mesh, rule, ...extra));
	const { bytes, resources } = sizeOf(generateProxyConfig(proxy, viewFor(snapshot, proxy)));
	rows.push(
		{ what, unit: "bytes", spread: spreadOf([bytes]) },
		{ what: "  resources", unit: "count", spread: spreadOf([resources]) },
	);
}
reportBench("scope", rows);

function sizeOf(config: ProxyConfig): { readonly bytes: number; readonly resources: number } {
	const all = [...config.values()].flatMap((set) => set.parts.flatMap((part) => [...part.resources.values()]));
	return { bytes: all.reduce((sum, one) => sum + one.any.length, 0), resources: all.length };
}

function servicePair(namespace: string, ns: number, index: number): readonly AnyObject[] {
	const name = `svc-${index}`;
	const addresses = Array.from({ length: endpointsOfService }, (_, member) => `10.${ns}.${index}.${member + 1}`);
	const spec = { clusterIP: `10.96.${ns}.${index + 1}`, ports: [{ name: "http", port: 8080 }] };
	return [
		aService(name, spec, { namespace }),
		anEndpointSlice(name, addresses, [{ name: "http", port: 8080 }], { namespace }),
	];
}

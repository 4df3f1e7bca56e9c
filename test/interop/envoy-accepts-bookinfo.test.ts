// The real Bookinfo files, unmodified: each set of rules is read, turned into configuration for the sidecars of all its
// workloads, and given to the real Envoy, which must accept it.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { before, describe, it } from "node:test";
import { decodeRoutes, envoyRefuses } from "../../src/envoy/envoy-validates.testing.ts";
import type { Route } from "../../src/envoy/gen/envoy/config/route/v3/route_components_pb.ts";
import { generateProxyConfig } from "../../src/envoy/generate-proxy-config.ts";
import { readResources } from "../../src/resources/read-resources.ts";
import { proxyFromNode } from "../../src/snapshot/proxy-from-node.ts";
import { applyChanges, emptySnapshot } from "../../src/snapshot/snapshot.ts";
import { viewFor } from "../../src/snapshot/view-for.ts";
import { type EncodedResource, type ProxyConfig, typeUrls } from "../../src/xds/resource.ts";

const inputs = join(import.meta.dirname, "../../../shared/inputs/istio");
const networking = join(inputs, "bookinfo-networking");
const skip = existsSync(networking) ? false : "the Bookinfo files are not here";
const service = (name: string): string => `${name}.default.svc.cluster.local`;

function configWith(...files: readonly string[]): ProxyConfig {
	const all = ["bookinfo-kube/bookinfo.yaml", ...files.map((file) => `bookinfo-networking/${file}`)];
	const { objects } = readResources(all.map((path) => ({ path, text: readFileSync(join(inputs, path), "utf8") })));
	const changes = objects.map((object) => ({ type: "objectApplied" as const, object }));
	const id = "sidecar~10.1.0.5~productpage-v1.default~default.svc.cluster.local";
	const node = proxyFromNode({ id, metadata: { LABELS: { app: "productpage", version: "v1" }, KEEPMESH_SDS: "true" } });
	if (!node.ok) throw new Error(node.because);
	return generateProxyConfig(node.proxy, viewFor(applyChanges(emptySnapshot(), changes).snapshot, node.proxy));
}

function resources(config: ProxyConfig, typeUrl: string): readonly EncodedResource[] {
	return (config.get(typeUrl)?.parts ?? []).flatMap((part) => [...part.resources.values()]);
}

/** Routes of a service on port 9080. */
function routesTo(config: ProxyConfig, name: string): readonly Route[] {
	const tables = resources(config, typeUrls.route).filter((one) => one.name === "9080");
	const hosts = tables.flatMap((one) => decodeRoutes(one).virtualHosts);
	return hosts.find((host) => host.name === `${service(name)}:9080`)?.routes ?? [];
}

/** `v1=90 v3=10`, or the subset alone. */
function destinations(route: Route | undefined): string {
	const specifier = route?.action.case === "route" ? route.action.value.clusterSpecifier : undefined;
	const subset = (cluster: string): string => cluster.split("|")[2] ?? "";
	if (specifier?.case === "cluster") return subset(specifier.value);
	if (specifier?.case !== "weightedClusters") return "";
	return specifier.value.clusters.map(({ name, weight }) => `${subset(name)}=${weight}`).join(" ");
}

describe("Bookinfo", { skip }, () => {
	let files: readonly string[] = [];
	before(() => {
		files = readdirSync(networking).filter((name) => name.endsWith(".yaml"));
	});

	it("is accepted by Envoy with every one of its networking files", () => {
		for (const file of files) {
			const config = configWith("destination-rule-all.yaml", ...(file === "destination-rule-all.yaml" ? [] : [file]));
			const clusters = resources(config, typeUrls.cluster);
			assert.ok(clusters.length > 10, file);
			const tables = resources(config, typeUrls.route);
			assert.ok(tables.length > 0, file);
			assert.equal(envoyRefuses({ clusters, listeners: [] }), "", file);
		}
	});

	const outcomes: readonly (readonly [string, string, readonly string[]])[] = [
		["virtual-service-all-v1.yaml", "reviews", ["v1"]],
		["virtual-service-reviews-v3.yaml", "reviews", ["v3"]],
		["virtual-service-reviews-50-v3.yaml", "reviews", ["v1=50 v3=50"]],
		["virtual-service-reviews-80-20.yaml", "reviews", ["v1=80 v2=20"]],
		["virtual-service-reviews-90-10.yaml", "reviews", ["v1=90 v2=10"]],
		["virtual-service-reviews-v2-v3.yaml", "reviews", ["v2=50 v3=50"]],
		["virtual-service-reviews-test-v2.yaml", "reviews", ["v2", "v1"]],
		["virtual-service-reviews-jason-v2-v3.yaml", "reviews", ["v2", "v3"]],
		["virtual-service-details-v2.yaml", "details", ["v2"]],
		["virtual-service-ratings-db.yaml", "ratings", ["v2"]],
		["virtual-service-ratings-test-abort.yaml", "ratings", ["v1", "v1"]],
	];
	for (const [file, name, expected] of outcomes) {
		it(`${file} sends requests to ${expected.join(", then ")}`, () => {
			const routes = routesTo(configWith("destination-rule-all.yaml", file), name);
			assert.deepEqual(routes.map(destinations), expected);
		});
	}

	it("virtual-service-ratings-test-delay.yaml delays one user's requests only", () => {
		const routes = routesTo(
			configWith("destination-rule-all.yaml", "virtual-service-ratings-test-delay.yaml"),
			"ratings",
		);
		assert.deepEqual(
			routes.map(({ match, typedPerFilterConfig }) => [match?.headers.length, Object.keys(typedPerFilterConfig)]),
			[
				[1, ["envoy.filters.http.fault"]],
				[0, []],
			],
		);
	});
});

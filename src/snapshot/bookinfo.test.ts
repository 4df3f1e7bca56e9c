// Files from the field, unmodified, through the reader into views.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { aPod, aProxy, applied } from "../model/model.testing.ts";
import { readResourceFile } from "../resources/read-resources.ts";
import { problemsOf } from "./resource-status.ts";
import { applyChanges, emptySnapshot } from "./snapshot.ts";
import { viewFor } from "./view-for.ts";

const inputs = join(import.meta.dirname, "../../../shared/inputs/istio");
const networking = join(inputs, "bookinfo-networking");
const read = (...files: readonly string[]) =>
	files.flatMap((file) => readResourceFile(file, readFileSync(join(inputs, file), "utf8")).objects);

const client = aProxy("productpage-1", { labels: { app: "productpage", version: "v1" } });

describe("Bookinfo", { skip: !existsSync(inputs) && "the files are not here" }, () => {
	it("shows its four services with addresses, protocols and an inbound port", () => {
		const { snapshot } = applyChanges(emptySnapshot(), applied(...read("bookinfo-kube/bookinfo.yaml")));
		const { outbound, inbound } = viewFor(snapshot, client);
		assert.deepEqual(
			outbound?.services.map(({ service }) => [service.name, service.allocated, service.ports[0]?.protocol]),
			["details", "productpage", "ratings", "reviews"].map((name) => [name, true, "HTTP"]),
		);
		assert.deepEqual(
			inbound?.ports.map((port) => [port.targetPort, port.service?.name]),
			[[9080, "productpage"]],
		);
	});

	it("splits reviews 90 to 10 between subsets that its pods are in", () => {
		const files = ["destination-rule-all.yaml", "virtual-service-reviews-90-10.yaml"].map(
			(file) => `bookinfo-networking/${file}`,
		);
		const pods = ["v1", "v2"].map((version, index) =>
			aPod(`reviews-${version}`, `10.1.0.${index}`, {}, { labels: { version } }),
		);
		const { snapshot } = applyChanges(
			emptySnapshot(),
			applied(...read("bookinfo-kube/bookinfo.yaml", ...files), ...pods),
		);
		const { outbound, endpoints } = viewFor(snapshot, client);
		const [rule] = outbound?.rules ?? [];
		assert.deepEqual(rule?.hosts, ["reviews.default.svc.cluster.local"]);
		assert.deepEqual(
			rule?.http[0]?.route?.map(({ destination, weight }) => [destination.host, destination.subset, weight]),
			[
				["reviews.default.svc.cluster.local", "v1", 90],
				["reviews.default.svc.cluster.local", "v2", 10],
			],
		);
		const reviews = outbound?.services.find(({ service }) => service.name === "reviews");
		assert.deepEqual(
			reviews?.destination?.subsets.map((subset) => subset.name),
			["v1", "v2", "v3"],
		);
		assert.equal(endpoints.byService.get(reviews?.service.key ?? "")?.byPort.get(9080)?.length, 2);
	});

	it("is reached through its gateway", () => {
		const objects = read("bookinfo-kube/bookinfo.yaml", "bookinfo-networking/bookinfo-gateway.yaml");
		const edge = aProxy("edge", { type: "router", namespace: "istio-system", labels: { istio: "ingressgateway" } });
		const view = viewFor(applyChanges(emptySnapshot(), applied(...objects)).snapshot, edge).gateway;
		assert.deepEqual(
			view?.listeners.map((listener) => [listener.port, listener.servers[0]?.routeName]),
			[[8080, "http.8080"]],
		);
		const [rule] = view?.listeners[0]?.servers[0]?.rules ?? [];
		assert.deepEqual(rule?.hosts, ["*"]);
		assert.equal(rule?.http[0]?.route?.[0]?.destination.host, "productpage.default.svc.cluster.local");
		assert.deepEqual(view?.services.length, 4);
	});

	it("takes every networking file by itself without a conflict", () => {
		for (const file of readdirSync(networking).filter((name) => name.endsWith(".yaml"))) {
			const objects = read("bookinfo-kube/bookinfo.yaml", `bookinfo-networking/${file}`);
			const { snapshot } = applyChanges(emptySnapshot(), applied(...objects));
			assert.deepEqual(problemsOf(snapshot), [], file);
			assert.ok(viewFor(snapshot, client).outbound, file);
		}
	});
});

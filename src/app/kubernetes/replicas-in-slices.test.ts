import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ConfigObject } from "../../resources/config-object.ts";
import type { SliceEndpoint } from "../../resources/kinds/core.ts";
import { replicasIn } from "./replicas-in-slices.ts";

const place = { namespace: "keepmesh-system", service: "keepmesh-control" };

function slice(
	name: string,
	endpoints: readonly SliceEndpoint[],
	service = place.service,
	namespace = place.namespace,
): ConfigObject<"EndpointSlice"> {
	const labels = { "kubernetes.io/service-name": service };
	return {
		kind: "EndpointSlice",
		apiVersion: "discovery.k8s.io/v1",
		metadata: { name, namespace, labels, annotations: {}, createdMs: 0 },
		spec: { addressType: "IPv4", endpoints, ports: [] },
		origin: { file: "", line: 1, column: 1 },
	};
}

const at = (address: string, conditions: SliceEndpoint["conditions"] = { ready: true }): SliceEndpoint => ({
	addresses: [address],
	conditions,
});

describe("the other replicas of a control plane", () => {
	const find = (...slices: readonly ConfigObject<"EndpointSlice">[]): readonly string[] =>
		replicasIn(slices, place, { host: "10.0.0.1", port: 15_012 }).map(({ host, port }) => `${host}:${port}`);

	it("are in all slices of the Service, each once, without this one", () => {
		const found = find(slice("a", [at("10.0.0.3"), at("10.0.0.1")]), slice("b", [at("10.0.0.2"), at("10.0.0.3")]));
		assert.deepEqual(found, ["10.0.0.2:15012", "10.0.0.3:15012"]);
	});

	it("are none of another Service or namespace", () => {
		assert.deepEqual(
			find(slice("a", [at("10.0.0.2")], "other"), slice("b", [at("10.0.0.2")], place.service, "other")),
			[],
		);
	});

	it("are those that serve, also while they end, and not those that have not begun", () => {
		const ending = at("10.0.0.2", { ready: false, serving: true, terminating: true });
		const starting = at("10.0.0.3", { ready: false, serving: false });
		assert.deepEqual(find(slice("a", [ending, starting, at("10.0.0.4", {})])), ["10.0.0.2:15012", "10.0.0.4:15012"]);
	});
});

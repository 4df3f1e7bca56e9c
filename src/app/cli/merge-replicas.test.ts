import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ProxyItem, ResourceItem, ResourceStatus } from "../api/api-types.ts";
import { mergeProxies, mergeResources } from "./merge-replicas.ts";

const proxy = (name: string, control: string, connectedMs: number): ProxyItem => ({
	id: `sidecar~10.0.0.1~${name}~default.svc.cluster.local`,
	name,
	cluster: "Kubernetes",
	type: "sidecar",
	version: "envoy",
	control,
	connectedMs,
	types: {},
	configBytes: 0,
});

const resource = (name: string, status: Partial<ResourceStatus>): ResourceItem => ({
	manifest: { apiVersion: "v1", kind: "Service", metadata: { name, namespace: "default" } },
	origin: { file: "a.yaml", line: 1 },
	status: { accepted: true, problems: [], ...status },
});

const counts = (concerned: number, applied: number, rejected: readonly string[] = []): Partial<ResourceStatus> => ({
	proxies: {
		concerned,
		applied,
		rejected: rejected.map((name) => ({ proxy: name, type: "RDS", names: [], message: "no", atMs: 0 })),
		withheld: 0,
	},
});

describe("what several control planes say", () => {
	it("lists the proxies of all, and one that has changed over at its newest connection", () => {
		const merged = mergeProxies([
			[proxy("b.default", "control-1", 1), proxy("c.default", "control-1", 5)],
			[proxy("c.default", "control-2", 9), proxy("a.default", "control-2", 2)],
		]);
		assert.deepEqual(
			merged.map(({ name, control }) => `${name} ${control}`),
			["a.default control-2", "b.default control-1", "c.default control-2"],
		);
	});

	it("sums on how many proxies a resource is applied, and keeps every rejection", () => {
		const [merged] = mergeResources([[resource("a", counts(3, 2, ["x"]))], [resource("a", counts(4, 4))]]);
		assert.deepEqual([merged?.status.proxies?.concerned, merged?.status.proxies?.applied], [7, 6]);
		assert.deepEqual(
			merged?.status.proxies?.rejected.map((one) => one.proxy),
			["x"],
		);
	});

	it("says that a resource is not accepted when one replica does not accept it, and keeps what only one knows", () => {
		const merged = mergeResources([[resource("a", {})], [resource("a", { accepted: false }), resource("b", {})]]);
		assert.deepEqual(
			merged.map((item) => [item.manifest.metadata.name, item.status.accepted]),
			[
				["a", false],
				["b", true],
			],
		);
	});
});

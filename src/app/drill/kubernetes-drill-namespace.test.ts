import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { namespaces } from "../../kubernetes/client/api-resources.ts";
import { FakeApi } from "../../kubernetes/client/fake-api.testing.ts";
import { makeDrillNamespace } from "./kubernetes-drill-namespace.ts";

describe("the namespace of a drill on a cluster", () => {
	const left = (name: string, sinceMs: number) => ({
		metadata: {
			name,
			labels: { "keepmesh.io/drill": "true" },
			annotations: { "keepmesh.io/drill-until": new Date(Date.now() - sinceMs).toISOString() },
		},
	});
	const deleted = ({ asked }: FakeApi): readonly string[] => asked.filter((one) => one.startsWith("DELETE"));

	it("is made, and gone with the drill", async () => {
		const api = new FakeApi();
		const made = await makeDrillNamespace(api, "keepmesh-drill-1");
		assert.ok(api.asked.some((asked) => asked.startsWith("POST /api/v1/namespaces")));
		await made.remove();
		assert.deepEqual(deleted(api), ["DELETE /api/v1/namespaces/keepmesh-drill-1"]);
	});

	it("of a drill that was killed is removed by the next, one of a drill that runs is not", async () => {
		const api = new FakeApi();
		api.put(namespaces, left("keepmesh-drill-killed", 1_000));
		api.put(namespaces, left("keepmesh-drill-runs", -1_000));
		api.put(namespaces, { metadata: { name: "shop" } });
		const made = await makeDrillNamespace(api, "keepmesh-drill-2");
		assert.deepEqual(deleted(api), ["DELETE /api/v1/namespaces/keepmesh-drill-killed"]);
		await made.remove();
	});

	it("is made also by who may not look for others", async () => {
		const api = new FakeApi();
		api.put(namespaces, left("keepmesh-drill-killed", 1_000));
		const request = api.request.bind(api);
		api.request = async (method, path, options) =>
			method === "GET" ? { status: 403, body: {} } : await request(method, path, options);
		const made = await makeDrillNamespace(api, "keepmesh-drill-3");
		assert.deepEqual(deleted(api), []);
		await made.remove();
	});
});

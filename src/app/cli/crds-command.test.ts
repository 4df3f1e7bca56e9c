import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { parseAllDocuments } from "yaml";
import { keepmesh } from "./cli.testing.ts";

describe("keepmesh crds", () => {
	it("prints Keepmesh's own kinds as YAML for kubectl", async () => {
		const { code, stdout } = await keepmesh(["crds"]);
		assert.equal(code, 0);
		const kinds = parseAllDocuments(stdout).map((document) => document.toJS().spec.names.kind);
		assert.deepEqual(kinds, ["VirtualIP", "VirtualIPPool", "HotSwitch", "MeshConfig", "RemoteCluster"]);
		assert.ok(!/[&*]a\d/.test(stdout), "no references within YAML");
	});

	it("adds Istio's when asked, and prints JSON", async () => {
		const { code, stdout } = await keepmesh(["crds", "--istio", "-o", "json"]);
		assert.equal(code, 0);
		const { items, kind } = JSON.parse(stdout) as { kind: string; items: readonly { metadata: { name: string } }[] };
		assert.equal(kind, "List");
		assert.equal(items.length, 19);
		assert.ok(items.some(({ metadata }) => metadata.name === "virtualservices.networking.istio.io"));
	});
});

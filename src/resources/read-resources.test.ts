import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readResourceFile } from "./read-resources.ts";

const service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: reviews\nspec:\n  ports:\n  - port: 80\n";

describe("readResourceFile", () => {
	it("reads a resource into its normal form", () => {
		const { objects, problems } = readResourceFile("a.yaml", `# first\n${service}`);
		assert.deepEqual(problems, []);
		assert.deepEqual(objects, [
			{
				kind: "Service",
				apiVersion: "v1",
				metadata: { name: "reviews", namespace: "default", labels: {}, annotations: {}, createdMs: 0 },
				spec: { ports: [{ port: 80 }] },
				origin: { file: "a.yaml", line: 2, column: 1 },
			},
		]);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { drillList } from "../../lab/drill/drill-list.ts";
import { beyondNamespace } from "./beyond-namespace.ts";
import { kubernetesDrills } from "./kubernetes-needs.ts";

describe("what a drill does beyond its namespace", () => {
	it("is said of drills that there are", () => {
		const said = drillList.filter(({ name }) => beyondNamespace(name) !== undefined);
		assert.ok(said.length >= 6);
		for (const { name } of said) assert.ok(kubernetesDrills.includes(name), name);
	});

	it("needs a yes where it stays, and only there", () => {
		const staying = kubernetesDrills.filter((name) => beyondNamespace(name)?.consent !== undefined);
		assert.deepEqual(staying.sort(), ["rotate-issuer", "rotate-root"]);
	});
});

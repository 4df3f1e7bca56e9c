import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { mergeStrategically } from "./strategic-merge.ts";

const pod = {
	metadata: { labels: { app: "web" } },
	spec: {
		containers: [
			{
				name: "web",
				image: "web:1",
				args: ["--a"],
				env: [
					{ name: "A", value: "1" },
					{ name: "B", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
				],
				ports: [{ containerPort: 53, protocol: "UDP" }],
			},
		],
		volumes: [{ name: "data", emptyDir: {} }],
	},
};
const merged = (fragment: object): typeof pod => mergeStrategically(pod, fragment);

describe("a fragment laid over a pod", () => {
	it("changes a container by its name and adds others", () => {
		const { spec } = merged({ spec: { containers: [{ name: "web", image: "web:2" }, { name: "log" }] } });
		assert.deepEqual(
			spec.containers.map(({ name, image }) => [name, image]),
			[
				["web", "web:2"],
				["log", undefined],
			],
		);
		assert.deepEqual(spec.containers[0]?.args, ["--a"]);
	});

	it("replaces lists without identity, and a variable's value of another kind", () => {
		const container = { name: "web", args: ["--b"], env: [{ name: "B", value: "2" }] };
		const [web] = merged({ spec: { containers: [container] } }).spec.containers;
		assert.deepEqual(web?.args, ["--b"]);
		assert.deepEqual(web?.env, [
			{ name: "A", value: "1" },
			{ name: "B", value: "2" },
		]);
	});

	it("gives a volume another source instead of two", () => {
		const { volumes } = merged({ spec: { volumes: [{ name: "data", hostPath: { path: "/data" } }] } }).spec;
		assert.deepEqual(volumes, [{ name: "data", hostPath: { path: "/data" } }]);
	});

	it("keeps ports of different protocols apart", () => {
		const [web] = merged({ spec: { containers: [{ name: "web", ports: [{ containerPort: 53 }] }] } }).spec.containers;
		assert.equal(web?.ports.length, 2);
	});

	it("takes away what is null, and items that $patch deletes", () => {
		const gone = merged({
			metadata: { labels: { app: null } },
			spec: { volumes: [{ name: "data", $patch: "delete" }] },
		});
		assert.deepEqual(gone.metadata.labels, {});
		assert.deepEqual(gone.spec.volumes, []);
	});

	it("leaves no directive behind where there was nothing to merge with", () => {
		const fragment = {
			spec: {
				hostAliases: [
					{ ip: "1.1.1.1", $patch: "delete" },
					{ ip: "2.2.2.2", x: null },
				],
			},
		};
		assert.deepEqual((merged(fragment).spec as { hostAliases?: unknown }).hostAliases, [{ ip: "2.2.2.2" }]);
	});

	it("changes nothing of what it was given", () => {
		const before = JSON.stringify(pod);
		merged({ metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "web", image: "x" }] } });
		assert.equal(JSON.stringify(pod), before);
	});
});

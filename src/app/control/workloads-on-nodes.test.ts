import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { readResourceFile } from "../../resources/read-resources.ts";
import { applyChanges, emptySnapshot, type Snapshot } from "../../snapshot/snapshot.ts";
import { WorkloadsOnNodes } from "./workloads-on-nodes.ts";

function snapshotOf(yaml: string, before: Snapshot = emptySnapshot()): Snapshot {
	const { objects, problems } = readResourceFile("test.yaml", yaml);
	assert.deepEqual(
		problems.filter(({ severity }) => severity === "error"),
		[],
	);
	return applyChanges(
		before,
		objects.map((object) => ({ type: "objectApplied", object })),
	).snapshot;
}

const pods = `
apiVersion: v1
kind: Pod
metadata: {name: reviews-1, namespace: default}
spec: {nodeName: n1, serviceAccountName: reviews}
---
apiVersion: v1
kind: Pod
metadata: {name: plain, namespace: default}
spec: {nodeName: n1}
---
apiVersion: v1
kind: Pod
metadata: {name: unplaced, namespace: default}
spec: {serviceAccountName: ratings}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: db, namespace: prod, annotations: {keepmesh.io/node: vm1}}
spec: {address: 10.0.0.9, serviceAccount: db}
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: {name: elsewhere, namespace: prod}
spec: {address: 10.0.0.8, serviceAccount: db}
`;

describe("the workloads on a node", () => {
	const places = new WorkloadsOnNodes();
	const snapshot = snapshotOf(pods);
	const isOn = (node: string, namespace: string, serviceAccount: string, of = snapshot): boolean =>
		places.isOnNode(of, node, { namespace, serviceAccount });

	it("are its pods, by their service account", () => {
		assert.ok(isOn("n1", "default", "reviews"));
		assert.ok(!isOn("n2", "default", "reviews"));
		assert.ok(!isOn("n1", "prod", "reviews"));
		assert.ok(!isOn("n1", "default", "ratings"), "a pod without a node is nowhere");
	});

	it("have the account default when they name none, as in Kubernetes", () => {
		assert.ok(isOn("n1", "default", "default"));
	});

	it("are the WorkloadEntries that say so", () => {
		assert.ok(isOn("vm1", "prod", "db"));
		assert.ok(!isOn("n1", "prod", "db"));
	});

	it("are those of the snapshot that is asked about", () => {
		const more =
			"apiVersion: v1\nkind: Pod\nmetadata: {name: r, namespace: default}\nspec: {nodeName: n2, serviceAccountName: reviews}\n";
		const later = snapshotOf(more, snapshot);
		assert.ok(isOn("n2", "default", "reviews", later));
		assert.ok(!isOn("n2", "default", "reviews"));
	});
});

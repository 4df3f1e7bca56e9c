import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodMeta } from "./pod-shape.ts";
import { workloadOf } from "./workload-of.ts";

const ownedBy = (apiVersion: string, kind: string, name: string, labels = {}): PodMeta => ({
	labels,
	ownerReferences: [{ apiVersion, kind, name, controller: true }],
});
const named = (meta: PodMeta) => {
	const { kind, name, owner } = workloadOf(meta, "shop");
	return [kind, name, owner.replace("kubernetes://apis/", "")];
};

describe("the workload that a pod is of", () => {
	it("is the Deployment, not the ReplicaSet", () => {
		const meta = ownedBy("apps/v1", "ReplicaSet", "web-v1-6d5f8c9b7", { "pod-template-hash": "6d5f8c9b7" });
		assert.deepEqual(named(meta), ["Deployment", "web-v1", "apps/v1/namespaces/shop/deployments/web-v1"]);
		const alone = ownedBy("apps/v1", "ReplicaSet", "web-abc");
		assert.deepEqual(named(alone), ["ReplicaSet", "web-abc", "apps/v1/namespaces/shop/replicasets/web-abc"]);
	});

	it("is the CronJob, not the Job", () => {
		assert.deepEqual(named(ownedBy("batch/v1", "Job", "backup-28012345")).slice(0, 2), ["CronJob", "backup"]);
		assert.deepEqual(named(ownedBy("batch/v1", "Job", "migrate")).slice(0, 2), ["Job", "migrate"]);
	});

	it("is whatever else made it, or the pod", () => {
		assert.deepEqual(named(ownedBy("apps/v1", "StatefulSet", "db"))[2], "apps/v1/namespaces/shop/statefulsets/db");
		assert.deepEqual(named({ name: "lonely" }), ["Pod", "lonely", "v1/namespaces/shop/pods/lonely"]);
		assert.deepEqual(named({ generateName: "lonely-" })[1], "lonely");
		assert.deepEqual(named({}), ["Pod", "", "v1/namespaces/shop/pods/"]);
	});
});

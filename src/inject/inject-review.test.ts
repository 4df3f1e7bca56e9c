import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AdmissionRequest } from "../kubernetes/admission/admission-review.ts";
import { defaultInjectConfig } from "./inject-config.ts";
import { injectPod } from "./inject-pod.ts";
import { injectReview } from "./inject-review.ts";
import { applyJsonPatch } from "./json-patch.testing.ts";
import type { PatchOperation } from "./json-patch.ts";

const pod = {
	metadata: { generateName: "wéb-", labels: { app: "wéb" } },
	spec: { containers: [{ name: "web", image: "web" }] },
};
const request: AdmissionRequest = {
	uid: "u1",
	kind: { group: "", version: "v1", kind: "Pod" },
	namespace: "shop",
	operation: "CREATE",
	object: pod,
};
const review = (change: Partial<AdmissionRequest> = {}) =>
	injectReview(
		{ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request: { ...request, ...change } },
		defaultInjectConfig,
	);

describe("an admission review of a pod", () => {
	it("is answered with the patch that puts the proxy in", () => {
		const { outcome, response } = review();
		assert.equal(outcome, "injected");
		assert.deepEqual([response.uid, response.allowed, response.patchType], ["u1", true, "JSONPatch"]);
		const patch = JSON.parse(Buffer.from(response.patch ?? "", "base64").toString()) as PatchOperation[];
		const injection = injectPod(pod, "shop", defaultInjectConfig);
		assert.deepEqual(applyJsonPatch(pod, patch), injection.outcome === "injected" && injection.pod);
	});

	it("takes a pod that is not for the mesh as it is", () => {
		const object = { ...pod, metadata: { labels: { "sidecar.istio.io/inject": "false" } } };
		assert.deepEqual(review({ object }).response, { uid: "u1", allowed: true });
		assert.deepEqual(review({ namespace: "kube-system" }).response, { uid: "u1", allowed: true });
	});

	it("refuses a pod whose annotations cannot be meant so", () => {
		const object = { ...pod, metadata: { annotations: { "sidecar.istio.io/logLevel": "loud" } } };
		const { response } = review({ object });
		assert.equal(response.allowed, false);
		assert.equal(response.status?.code, 422);
		assert.match(response.status?.message ?? "", /logLevel: "loud" is none of/);
	});

	it("has nothing to do with other objects, or with changes", () => {
		assert.equal(review({ kind: { group: "apps", version: "v1", kind: "Deployment" } }).outcome, "skipped");
		assert.equal(review({ operation: "UPDATE" }).outcome, "skipped");
		assert.equal(review({ object: { spec: {} } }).outcome, "refused");
	});
});

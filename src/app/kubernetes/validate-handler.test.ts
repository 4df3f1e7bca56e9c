import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { AdmissionReview } from "../../kubernetes/admission/admission-review.ts";
import { emptySnapshot } from "../../snapshot/snapshot.ts";
import { validateHandler } from "./validate-handler.ts";

const review: AdmissionReview = {
	apiVersion: "admission.k8s.io/v1",
	kind: "AdmissionReview",
	request: {
		uid: "u",
		kind: { group: "networking.istio.io", version: "v1", kind: "VirtualService" },
		namespace: "shop",
		operation: "CREATE",
		object: {
			apiVersion: "networking.istio.io/v1",
			kind: "VirtualService",
			metadata: { name: "web" },
			spec: { hosts: ["web"], http: [{ route: [{ destination: { host: "nowhere" } }] }] },
		},
	},
};

describe("a review beside the rest of the mesh", () => {
	/** Each look across all resources takes so long. */
	function rig(lookMs: number) {
		let nowMs = 0;
		const snapshot = () => {
			nowMs += lookMs;
			return emptySnapshot();
		};
		const answer = validateHandler(snapshot, { monotonicMs: () => nowMs });
		return {
			looks: async (): Promise<boolean> => ((await answer(review, "/validate")).warnings ?? []).length > 0,
			pass: (ms: number) => {
				nowMs += ms;
			},
		};
	}

	it("warns of what there is not", async () => {
		assert.equal(await rig(1).looks(), true);
	});

	it("is alone when looking has taken too much of the time, and not for ever", async () => {
		const { looks, pass } = rig(300);
		assert.deepEqual([await looks(), await looks(), await looks()], [true, true, false]);
		pass(300);
		assert.equal(await looks(), false);
		pass(600);
		assert.equal(await looks(), true);
		assert.equal(await looks(), false);
	});

	it("takes a tenth of the time at most, however many come", async () => {
		const { looks, pass } = rig(50);
		let looked = 0;
		for (let round = 0; round < 6000; round++) {
			if (await looks()) looked++;
			pass(10);
		}
		const spentMs = looked * 50;
		const tookMs = 6000 * 10 + spentMs;
		assert.ok(spentMs <= 550 + tookMs / 10, `${spentMs} of ${tookMs} ms`);
		assert.ok(looked > 50);
	});
});

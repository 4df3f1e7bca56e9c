import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { DeploymentSpec } from "../../resources/kinds/core.ts";
import { type OwnedPod, planDeployment, templateHash } from "./plan-deployment.ts";

const nowMs = 100_000;
const spec = (replicas: number, more: Partial<DeploymentSpec> = {}): DeploymentSpec => ({
	replicas,
	template: { metadata: { labels: { app: "a" } }, spec: { containers: [{ name: "a", image: "a:1" }] } },
	...more,
});
const pods = (count: number, more: Partial<OwnedPod> = {}, name = "new"): readonly OwnedPod[] =>
	Array.from({ length: count }, (_, index) => ({
		name: `${name}-${index}`,
		templateHash: templateHash(spec(1)),
		createdMs: index,
		readySinceMs: 0,
		terminating: false,
		...more,
	}));
const old = (count: number, more: Partial<OwnedPod> = {}): readonly OwnedPod[] =>
	pods(count, { templateHash: "old", ...more }, "old");
const unready = { readySinceMs: undefined } as unknown as Partial<OwnedPod>;

describe("a Deployment", () => {
	for (const [what, deployment, existing, create, remove] of [
		["makes all pods at once when there are none", spec(3), [], 3, []],
		["makes what is missing", spec(3), pods(2), 1, []],
		["is content", spec(3), pods(3), 0, []],
		["scales down from the youngest", spec(1), pods(3), 0, ["new-2", "new-1"]],
		["scales to zero", spec(0), pods(1), 0, ["new-0"]],
		[
			"takes the pod that is not ready first",
			spec(1),
			[...pods(1), ...pods(1, { ...unready, createdMs: -1 }, "bad")],
			0,
			["bad-0"],
		],
		["replaces a pod that is being deleted", spec(1), pods(1, { terminating: true }), 1, []],
		["rolls with 25 %: one more of 4, then one less", spec(4), old(4), 1, ["old-3"]],
		["waits while new pods are not ready", spec(4), [...pods(2, unready), ...old(3)], 0, []],
		["goes on when a new pod is ready", spec(4), [...pods(2), ...old(3)], 0, ["old-2", "old-1"]],
		["never takes the only pod before the new one is ready", spec(1), [...pods(1, unready), ...old(1)], 0, []],
		["takes the old pod once the new one is ready", spec(1), [...pods(1), ...old(1)], 0, ["old-0"]],
		[
			"removes broken old pods first",
			spec(2),
			[...old(1), ...old(1, unready).map((pod) => ({ ...pod, name: "broken" }))],
			1,
			[],
		],
	] as const)
		it(what, () => {
			const plan = planDeployment(deployment, existing, nowMs);
			assert.deepEqual([plan.create, plan.remove], [create, remove]);
		});

	it("does not wait for its pods to be gone with maxUnavailable 100%", () => {
		const rolling = { strategy: { rollingUpdate: { maxSurge: 0, maxUnavailable: "100%" } } };
		const plan = planDeployment(spec(2, rolling), old(2), nowMs);
		assert.deepEqual([plan.create, plan.remove], [0, ["old-1", "old-0"]]);
	});

	it("deletes first and makes afterwards with Recreate", () => {
		const recreate = spec(2, { strategy: { type: "Recreate" } });
		assert.deepEqual(planDeployment(recreate, old(2), nowMs).remove, ["old-0", "old-1"]);
		assert.equal(planDeployment(recreate, old(2, { terminating: true }), nowMs).create, 0);
		assert.equal(planDeployment(recreate, [], nowMs).create, 2);
		assert.equal(planDeployment(recreate, pods(1, { terminating: true }), nowMs).create, 2);
	});

	it("counts a pod as available after minReadySeconds and says when to look again", () => {
		const slow = spec(1, { minReadySeconds: 10 });
		const plan = planDeployment(slow, [...pods(1, { readySinceMs: nowMs - 4000 }), ...old(1)], nowMs);
		assert.deepEqual([plan.remove, plan.lookAgainAtMs], [[], nowMs + 6000]);
		const later = planDeployment(slow, [...pods(1, { readySinceMs: nowMs - 4000 }), ...old(1)], nowMs + 6000);
		assert.deepEqual(later.remove, ["old-0"]);
	});

	it("is complete only when nothing old is left, terminating pods included", () => {
		assert.equal(planDeployment(spec(1), pods(1), nowMs).status.complete, true);
		assert.equal(planDeployment(spec(1), [...pods(1), ...old(1, { terminating: true })], nowMs).status.complete, false);
	});

	it("ends every rollout from any start, and never has too few or too many pods on the way", () => {
		for (const replicas of [1, 2, 3, 4, 10]) {
			let now: readonly OwnedPod[] = old(replicas);
			const deployment = spec(replicas);
			let made = 0;
			for (let round = 0; round < 100; round++) {
				const plan = planDeployment(deployment, now, nowMs);
				if (plan.status.complete) break;
				assert.ok(plan.status.available >= replicas - Math.floor(replicas / 4), `${replicas}: too few available`);
				now = now.filter((pod) => !plan.remove.includes(pod.name)).map((pod) => ({ ...pod, readySinceMs: 0 }));
				now = [...now, ...pods(plan.create, unready, `made-${made++}`)];
				assert.ok(now.length <= replicas + Math.ceil(replicas / 4), `${replicas}: too many`);
			}
			assert.equal(planDeployment(deployment, now, nowMs).status.complete, true, `${replicas} replicas`);
		}
	});
});

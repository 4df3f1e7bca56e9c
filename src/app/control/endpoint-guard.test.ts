import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aPod, applied } from "../../model/model.testing.ts";
import type { Change } from "../../snapshot/change.ts";
import { defaultEndpointGuardConfig, openEndpointGuard, stepEndpointGuard } from "./endpoint-guard.ts";

const key = (index: number): string => `Pod/default/p${index}`;
const removals = (from: number, to: number): readonly Change[] =>
	Array.from({ length: to - from }, (_, index) => ({ type: "objectRemoved", key: key(from + index) }));

/** A mesh of so many pods. */
class Pods {
	readonly present: Set<string>;
	readonly ending = new Set<string>();
	state = openEndpointGuard;
	wakeAfterMs: number | undefined;

	constructor(count: number) {
		this.present = new Set(Array.from({ length: count }, (_, index) => key(index)));
	}

	change(changes: readonly Change[], nowMs = 0): number {
		return this.#take({
			type: "changed",
			changes,
			present: this.present.size,
			isEnding: (one: string) => this.ending.has(one),
			nowMs,
		});
	}

	wake(nowMs: number): number {
		return this.#take({ type: "timerExpired", nowMs });
	}

	confirm(): number {
		return this.#take({ type: "confirmed" });
	}

	/** How many are left. */
	#take(event: Parameters<typeof stepEndpointGuard>[2]): number {
		const { state, pass, wakeAfterMs } = stepEndpointGuard(defaultEndpointGuardConfig, this.state, event);
		this.state = state;
		this.wakeAfterMs = wakeAfterMs;
		for (const change of pass) {
			if (change.type === "objectRemoved") this.present.delete(change.key);
			else this.present.add(`Pod/default/${change.object.metadata.name}`);
		}
		return this.present.size;
	}
}

describe("the guard of endpoints", () => {
	it("holds the removal of most pods at once, and lets it through when it is still wanted after 30 s", () => {
		const pods = new Pods(30);
		assert.equal(pods.change(removals(0, 29)), 30);
		assert.equal(pods.wakeAfterMs, 30_000);
		assert.equal(pods.wake(29_999), 30);
		assert.equal(pods.wake(30_000), 1);
	});

	it("holds what goes bit by bit as well", () => {
		const pods = new Pods(30);
		for (let index = 0; index < 29; index++) pods.change(removals(index, index + 1), index * 10);
		assert.equal(pods.present.size, 15);
	});

	it("lets pods go that go slowly", () => {
		const pods = new Pods(30);
		for (let index = 0; index < 29; index++) pods.change(removals(index, index + 1), index * 1_000);
		assert.equal(pods.present.size, 1);
	});

	it("lets pods go that said so before", () => {
		const pods = new Pods(30);
		for (let index = 0; index < 29; index++) pods.ending.add(key(index));
		assert.equal(pods.change(removals(0, 29)), 1);
	});

	it("lets a small mesh lose everything", () => {
		assert.equal(new Pods(20).change(removals(0, 20)), 0);
	});

	it("forgets a removal when the pod is there again", () => {
		const pods = new Pods(30);
		pods.change(removals(0, 29));
		pods.change(applied(...Array.from({ length: 29 }, (_, index) => aPod(`p${index}`, "10.1.0.1"))), 100);
		assert.equal(pods.wakeAfterMs, undefined);
		assert.equal(pods.wake(30_000), 30);
	});

	it("lets through what the operator confirms", () => {
		const pods = new Pods(30);
		pods.change(removals(0, 29));
		assert.equal(pods.confirm(), 1);
	});

	it("takes changes and additions at any time", () => {
		const pods = new Pods(30);
		assert.equal(pods.change([...removals(0, 29), ...applied(aPod("new", "10.1.0.9"))]), 31);
	});
});

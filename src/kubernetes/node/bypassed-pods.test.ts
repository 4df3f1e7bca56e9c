import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Bypass } from "../../hotswitch/switch-state.ts";
import { silentLog } from "../../runtime/log.ts";
import { VirtualClock } from "../../runtime/virtual-clock.ts";
import { bypassAnnotation, bypassByAnnotation, bypassUntilAnnotation, readBypass } from "./bypass-request.ts";
import { type BypassAnswer, BypassedPods } from "./bypassed-pods.ts";
import type { NodePod } from "./node-pod.ts";

const nowMs = Date.UTC(2026, 0, 1);
const asked = { [bypassAnnotation]: "a new  version\nof Envoy", [bypassByAnnotation]: "ada" };
const podOf = (annotations: Readonly<Record<string, string>> = {}, more: Partial<NodePod> = {}): NodePod =>
	({ uid: "u1", namespace: "shop", name: "web-1", annotations, injected: {}, ...more }) as unknown as NodePod;

class FakeSwitch {
	bypass: Bypass | undefined;
	refusal: string | undefined;
	readonly restored: string[] = [];
	requestBypass(by: string, why: string, forMs?: number) {
		if (this.refusal !== undefined) return { ok: false as const, because: this.refusal };
		this.bypass = { by, why, atMs: nowMs, ...(forMs === undefined ? {} : { untilMs: nowMs + forMs }) };
		return { ok: true as const };
	}
	restore(by: string): void {
		this.bypass = undefined;
		this.restored.push(by);
	}
}

function follower(hotSwitch: FakeSwitch | "none" | undefined = new FakeSwitch()) {
	const clock = new VirtualClock(nowMs);
	const answers: BypassAnswer[] = [];
	const place: { hotSwitch: FakeSwitch | "none" | undefined } = { hotSwitch };
	const pods = new BypassedPods({
		clock,
		log: silentLog,
		switchOf: () => place.hotSwitch,
		onAnswer: (_, answer) => answers.push(answer),
	});
	return { pods, clock, answers, place };
}

describe("a bypass that a Pod's annotations ask for", () => {
	it("begins and ends with them, and is answered each time", () => {
		const hotSwitch = new FakeSwitch();
		const { answers, pods } = follower(hotSwitch);
		pods.follow(podOf());
		pods.follow(podOf(asked));
		assert.equal(hotSwitch.bypass?.by, "ada (annotation)");
		assert.equal(hotSwitch.bypass?.why, "a new version of Envoy");
		pods.follow(podOf());
		assert.equal(hotSwitch.bypass, undefined);
		assert.deepEqual(
			answers.map(({ outcome }) => outcome),
			["bypassed", "restored"],
		);
	});

	it("is asked for once, however often the Pod changes", () => {
		const hotSwitch = new FakeSwitch();
		const { answers, pods } = follower(hotSwitch);
		pods.follow(podOf(asked));
		hotSwitch.restore("somebody on the node");
		pods.follow(podOf({ ...asked, other: "1" }));
		assert.equal(hotSwitch.bypass, undefined);
		assert.equal(answers.length, 1);
	});

	it("lasts until the time that they say, and says when it is over", () => {
		const hotSwitch = new FakeSwitch();
		const { answers, clock, pods } = follower(hotSwitch);
		pods.follow(podOf({ ...asked, [bypassUntilAnnotation]: "2026-01-01T00:10:00Z" }));
		assert.equal(hotSwitch.bypass?.untilMs, nowMs + 600_000);
		clock.advance(599_999);
		assert.equal(answers.length, 1);
		clock.advance(1);
		assert.deepEqual(answers.at(-1), { outcome: "restored", because: "its time is over" });
	});

	it("is refused with a reason, once, and tried again until it can be", () => {
		const hotSwitch = new FakeSwitch();
		hotSwitch.refusal = "there is no spare";
		const { answers, clock, pods } = follower(hotSwitch);
		pods.follow(podOf(asked));
		clock.advance(3_000);
		assert.deepEqual(answers, [{ outcome: "refused", because: "there is no spare" }]);
		hotSwitch.refusal = undefined;
		clock.advance(1_000);
		assert.equal(answers.at(-1)?.outcome, "bypassed");
		clock.advance(5_000);
		assert.equal(answers.length, 2);
	});

	it("is no longer tried when it is taken back", () => {
		const hotSwitch = new FakeSwitch();
		hotSwitch.refusal = "there is no spare";
		const { clock, pods } = follower(hotSwitch);
		pods.follow(podOf(asked));
		pods.follow(podOf());
		hotSwitch.refusal = undefined;
		clock.advance(5_000);
		assert.equal(hotSwitch.bypass, undefined);
	});

	it("waits for a proxy that is not served yet", () => {
		const { answers, clock, place, pods } = follower();
		place.hotSwitch = undefined;
		pods.follow(podOf(asked));
		assert.equal(answers.length, 0);
		place.hotSwitch = new FakeSwitch();
		clock.advance(1_000);
		assert.equal(answers[0]?.outcome, "bypassed");
	});

	it("that was taken away while the agent was away ends with the next agent; one that the node's operator made stays", () => {
		const hotSwitch = new FakeSwitch();
		hotSwitch.requestBypass("ada (annotation)", "why");
		follower(hotSwitch).pods.follow(podOf());
		assert.deepEqual(hotSwitch.restored, ["the Pod's annotations"]);
		hotSwitch.requestBypass("ada", "why");
		follower(hotSwitch).pods.follow(podOf());
		assert.equal(hotSwitch.bypass?.by, "ada");
	});

	it("that was over before the agent began is no news", () => {
		const hotSwitch = new FakeSwitch();
		const { answers, pods } = follower(hotSwitch);
		pods.follow(podOf({ ...asked, [bypassUntilAnnotation]: "2025-12-31T00:00:00Z" }));
		assert.deepEqual([answers, hotSwitch.bypass], [[], undefined]);
	});

	it("is refused where nothing can be switched, and where its end is no time", () => {
		const refusals = (...follow: readonly [FakeSwitch | "none", NodePod]): string => {
			const { answers, pods } = follower(follow[0]);
			pods.follow(follow[1]);
			return `${answers[0]?.outcome}: ${answers[0]?.because}`;
		};
		assert.match(refusals("none", podOf(asked)), /^refused: this proxy has no hot-switch/);
		const istio = podOf(asked, { injected: undefined, wantsAdoption: true });
		assert.match(refusals(new FakeSwitch(), istio), /^refused: it has Istio's own sidecar/);
		const soon = podOf({ ...asked, [bypassUntilAnnotation]: "tomorrow" });
		assert.match(refusals(new FakeSwitch(), soon), /^refused: keepmesh.io\/bypass-until is no time/);
	});

	it("has a reason and a name also where nobody gave one", () => {
		assert.deepEqual(readBypass({ [bypassAnnotation]: "" }), {
			type: "asked",
			request: { by: "somebody (annotation)", why: "no reason given" },
		});
	});
});

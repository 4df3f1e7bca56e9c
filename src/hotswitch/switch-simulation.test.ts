// Whatever fails in whatever order: a pod in virtual time, for many seeds, held to what users are promised.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { HotSwitchPolicy } from "./hot-switch-policy.ts";
import { basePolicy, SwitchWorld } from "./switch-world.testing.ts";

const walks = 100;
const walkMs = 60_000;
/** From a change in the world until the agent and the kernel have followed. */
const settleMs = 60;

const mayDirect = ({ direct, failOpen, permitsPlaintext }: HotSwitchPolicy): boolean =>
	direct && (failOpen === "always" || (failOpen === "permissive" && permitsPlaintext));

const policyOf = (world: SwitchWorld): HotSwitchPolicy => ({
	...basePolicy,
	enabled: world.random(10) > 0,
	spare: world.random(5) > 0,
	direct: world.random(5) > 0,
	permitsPlaintext: world.random(2) > 0,
	failOpen: (["never", "permissive", "permissive", "always"] as const)[world.random(4)] ?? "never",
	...(world.random(4) === 0 ? { directLimitMs: 1_500 } : {}),
});

const seen = { routes: new Set<string>(), kills: 0, adoptions: 0, provedAfterFlapping: 0, bypasses: 0, bornWith: 0 };

/** How often each kind of trouble comes: one walk has much of one kind, another of all. */
function trouble(world: SwitchWorld, scale: number): void {
	const { proxy } = world;
	if (world.rarely(4_000 * scale)) world.crash();
	if (proxy && world.rarely(8_000 * scale)) proxy.isHung = true;
	if (proxy?.isHung && world.rarely(400)) proxy.isHung = false;
	if (proxy && world.rarely(9_000 * scale)) proxy.isUnready = true;
	if (proxy?.isUnready && world.rarely(700)) proxy.isUnready = false;
	if (world.rarely(5_000)) {
		world.spareUp = !world.spareUp;
		world.happens(world.spareUp ? { type: "spareUp" } : { type: "spareDown", because: "it ended" });
	}
	if (world.rarely(10_000)) world.follow(policyOf(world));
	if (world.rarely(12_000)) world.happens({ type: "bypassRequested", by: "ann", why: "test", forMs: 3_000 });
	if (world.rarely(30_000)) world.happens({ type: "bypassRequested", by: "ann", why: "test" });
	if (world.rarely(8_000)) world.happens({ type: "restoreRequested", by: "bob" });
	if (world.rarely(9_000 * scale)) world.killAgent();
	if (world.rarely(15_000 * scale)) world.stopAgent();
	if (!world.isAgentUp && world.rarely(500)) {
		world.startAgent();
		seen.adoptions++;
	}
}

describe("the hot-switch, simulated", () => {
	it("keeps its promises for every seed", () => {
		for (let seed = 1; seed <= walks; seed++) walk(seed);
	});

	it("has met all that it is about, so that the promises were put to the test", () => {
		assert.deepEqual([...seen.routes].sort(), ["direct", "late", "refused", "sidecar", "spare"]);
		for (const [what, count] of Object.entries(seen))
			if (typeof count === "number") assert.ok(count > 20, `${what}: ${count}`);
	});

	function walk(seed: number): void {
		const world = new SwitchWorld(seed * 7919);
		const scale = 0.25 + world.random(4);
		const memory = new Memory();
		for (; world.nowMs < walkMs; ) {
			trouble(world, scale);
			world.tick();
			seen.routes.add(world.route());
			hold(world, memory, `seed ${seed} at ${world.nowMs}`);
		}
		seen.kills += world.kills;
		heals(world, `seed ${seed}`);
	}

	/** What has been so for how long. */
	class Memory {
		wasAdmitted = false;
		otherSinceMs: number | undefined;
		wasBypassed = false;
	}

	function hold(world: SwitchWorld, memory: Memory, when: string): void {
		const { kernel, knownPolicy: policy, nowMs, state } = world;
		const route = world.route();
		const silentMs = nowMs - world.heardMs;
		if (!world.isAgentUp && kernel.patient && kernel.sidecar && silentMs < 1_000) {
			assert.ok(route !== "direct" && route !== "refused", `${when}: what nobody watches is given time`);
			if (route === "late") seen.bornWith++;
		}
		assert.ok(!kernel.direct || mayDirect(policy), `${when}: STRICT is never passed by without always`);
		const hangSeenMs = policy.hangMs + settleMs;
		const sawHang =
			world.isAgentUp && policy.enabled && state.lease !== "unknown" && nowMs - world.agentSinceMs > hangSeenMs;
		if (route === "late" && sawHang)
			assert.ok(nowMs - world.heardMs < hangSeenMs, `${when}: nothing for one that hangs`);
		const isOff = !policy.enabled && !state.bypass;
		const hasOther =
			!isOff && state.begun && ((policy.spare && world.spareUp) || (mayDirect(policy) && !state.directSpent));
		memory.otherSinceMs = world.isAgentUp && hasOther ? (memory.otherSinceMs ?? nowMs) : undefined;
		const otherForMs = memory.otherSinceMs === undefined ? -1 : nowMs - memory.otherSinceMs;
		if (otherForMs > settleMs) assert.notEqual(route, "refused", `${when}: something allowed can serve`);
		if (otherForMs > settleMs && state.bypass) {
			assert.ok(!kernel.sidecar, `${when}: a bypass is respected`);
			if (!memory.wasBypassed) seen.bypasses++;
		}
		const isFlapping = state.failuresAtMs.length >= policy.flapCount;
		const goodForMs = world.goodSinceMs === undefined ? -1 : nowMs - world.goodSinceMs;
		const seenGoodForMs = world.seenGoodSinceMs === undefined ? -1 : nowMs - world.seenGoodSinceMs;
		const agentForMs = world.isAgentUp ? nowMs - world.agentSinceMs : -1;
		if (Math.min(goodForMs, agentForMs) > settleMs && !hasOther && !isFlapping)
			assert.notEqual(route, "refused", `${when}: the sidecar is good, and nothing else may serve`);
		if (
			kernel.sidecar &&
			!memory.wasAdmitted &&
			state.begun &&
			policy.enabled &&
			otherForMs > policy.proveMaxMs &&
			policy.directLimitMs === undefined
		) {
			const leastMs = isFlapping ? 2 * policy.proveMs : policy.proveMs;
			assert.ok(
				seenGoodForMs >= leastMs - settleMs,
				`${when}: connections come back after a proof of ${leastMs} ms, not ${seenGoodForMs}`,
			);
			if (isFlapping) seen.provedAfterFlapping++;
		}
		// What was proved before a bypass, or during it, is so after it.
		memory.wasAdmitted = kernel.sidecar || state.bypass !== undefined;
		memory.wasBypassed = state.bypass !== undefined;
		const bypassForMs = state.bypass?.untilMs;
		if (bypassForMs !== undefined && world.isAgentUp)
			assert.ok(world.timers.has("bypassEnd"), `${when}: a bypass ends`);
	}

	/** No trouble any more: whatever was lost, the sidecar serves in the end. */
	function heals(world: SwitchWorld, when: string): void {
		world.startAgent();
		if (world.proxy) world.proxy.isUnready = false;
		// One that hangs while it starts is ended by its supervisor, after a time.
		if (world.proxy?.isHung && !world.state.ready) world.crash("it does not start");
		world.follow({ ...basePolicy });
		world.happens({ type: "restoreRequested", by: "bob" });
		const endMs = world.nowMs + basePolicy.proveMaxMs + basePolicy.hangMs + 2_000;
		while (world.nowMs < endMs) world.tick();
		assert.deepEqual([world.route(), world.state.servingStep], ["sidecar", "sidecar"], `${when}: it heals`);
	}
});

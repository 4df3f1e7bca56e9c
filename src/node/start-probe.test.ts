import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../runtime/virtual-clock.ts";
import type { EnvoyAdmin } from "./envoy-admin.ts";
import { StartProbe } from "./start-probe.ts";

function probeOf(answer: string | undefined) {
	const clock = new VirtualClock();
	let kills = 0;
	const admin: EnvoyAdmin = {
		get: async () => (answer === undefined ? undefined : { status: 200, body: answer }),
		post: async () => undefined,
		stream: () => Promise.reject(new Error("not here")),
	};
	const probe = new StartProbe({
		clock,
		admin: () => admin,
		hotSwitch: () => undefined,
		tableSettled: async () => true,
		kill: () => kills++,
	});
	const askFor = async (seconds: number): Promise<number> => {
		for (let second = 0; second < seconds; second++) {
			await probe.ask();
			clock.advance(1000);
		}
		return kills;
	};
	return { probe, askFor };
}

describe("an Envoy that starts", () => {
	it("is ended when its admin interface has been mute for a minute, and the next one gets its own minute", async () => {
		const { probe, askFor } = probeOf(undefined);
		assert.deepEqual([await askFor(60), await askFor(1)], [0, 1]);
		assert.equal(await askFor(30), 1);
		probe.reset();
		assert.deepEqual([await askFor(60), await askFor(1)], [1, 2]);
	});

	it("may wait for its first configuration for ever, as long as it says so", async () => {
		assert.equal(await probeOf("PRE_INITIALIZING\n").askFor(600), 0);
	});
});

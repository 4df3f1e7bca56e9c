import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { decodeKeptSwitch, encodeKeptSwitch } from "./kept-switch.ts";
import { type KeptSwitch, keptSwitch, newSwitch } from "./switch-state.ts";

const kept: KeptSwitch = {
	...keptSwitch(newSwitch),
	servingStep: "direct",
	sinceMs: 900,
	begun: true,
	failuresAtMs: [100, 800],
	bypass: { by: "ann", why: "upgrade", atMs: 900, untilMs: 5000 },
};
const then = { monotonicMs: 1000, wallMs: 1_700_000_000_000 };

describe("the record of a switch", () => {
	it("gives the same back to an agent whose clock began elsewhere", () => {
		const later = { monotonicMs: 50, wallMs: then.wallMs + 2000 };
		assert.deepEqual(decodeKeptSwitch(encodeKeptSwitch(kept, then), later), {
			...kept,
			sinceMs: -2050,
			failuresAtMs: [-2850, -2150],
			bypass: { by: "ann", why: "upgrade", atMs: -2050, untilMs: 2050 },
		});
	});

	it("does not say that something happened later than now when the clock was set back", () => {
		const back = { monotonicMs: 50, wallMs: then.wallMs - 60_000 };
		assert.equal(decodeKeptSwitch(encodeKeptSwitch(kept, then), back)?.sinceMs, 50);
	});

	it("is nothing when it is damaged, or of another version", () => {
		const text = encodeKeptSwitch(kept, then);
		assert.equal(decodeKeptSwitch(text.slice(0, -10), then), undefined);
		assert.equal(decodeKeptSwitch("null", then), undefined);
		for (const wrong of [
			{ version: 2 },
			{ servingStep: "up" },
			{ failures: [null] },
			{ bypass: { by: 1 } },
			{ begun: 1 },
		])
			assert.equal(decodeKeptSwitch(JSON.stringify({ ...JSON.parse(text), ...wrong }), then), undefined);
	});
});

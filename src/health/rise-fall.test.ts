// The counter by table: what keepalived's vrrp_script_child_thread does with the same results.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { carryRiseFall, countResult, type RiseFallConfig, startRiseFall, untilChange } from "./rise-fall.ts";

const keepalived = (changed: Partial<RiseFallConfig> = {}): RiseFallConfig => ({
	rise: 1,
	fall: 1,
	startsFailed: false,
	firstResultDecides: true,
	...changed,
});

/** `+` a success, `-` a failure; out comes u(nknown), U(p) or D(own) after the start and after each. */
function run(config: RiseFallConfig, results: string): string {
	let state = startRiseFall(config);
	let out = letter(state.status);
	for (const result of results) {
		state = countResult(config, state, result === "+");
		out += letter(state.status);
		assert.ok(state.result >= 0 && state.result <= config.rise + config.fall - 1);
	}
	return out;
}

const letter = (status: string): string => (status === "unknown" ? "u" : status === "up" ? "U" : "D");

const table: readonly (readonly [name: string, config: RiseFallConfig, results: string, expected: string])[] = [
	["one success is enough at the start, whatever rise says", keepalived({ rise: 3, fall: 2 }), "+", "uU"],
	["one failure is enough at the start, whatever fall says", keepalived({ rise: 3, fall: 5 }), "-", "uD"],
	["with rise 1 and fall 1 each result decides", keepalived(), "+-+-", "uUDUD"],
	["needs `fall` failures in a row once up", keepalived({ fall: 3 }), "+--+---", "uUUUUUUD"],
	["a success in between fills the counter again", keepalived({ fall: 2 }), "+-+-+--", "uUUUUUUD"],
	["needs `rise` successes once down", keepalived({ rise: 3 }), "-++-+++", "uDDDDDDU"],
	["a failure while down empties the counter", keepalived({ rise: 2 }), "-+-+-++", "uDDDDDDU"],
	["init_fail starts down and needs `rise` successes", keepalived({ rise: 2, startsFailed: true }), "++", "DDU"],
	["init_fail stays down with a failure", keepalived({ rise: 2, startsFailed: true }), "+-++", "DDDDU"],
	[
		"without firstResultDecides one success is enough at the start, and rise counts after a failure",
		keepalived({ rise: 2, fall: 2, firstResultDecides: false }),
		"-+--+-++",
		"uuUUDDDDU",
	],
	[
		"without firstResultDecides failures in a row make it down",
		keepalived({ rise: 2, fall: 2, firstResultDecides: false }),
		"--",
		"uuD",
	],
];

describe("the rise and fall counter", () => {
	for (const [name, config, results, expected] of table) it(name, () => assert.equal(run(config, results), expected));

	it("gives the same object back when a result changes nothing", () => {
		const config = keepalived({ fall: 3 });
		const up = countResult(config, startRiseFall(config), true);
		assert.equal(countResult(config, up, true), up);
	});

	it("keeps up and down over a reload with other numbers, with a full or an empty counter", () => {
		const config = keepalived({ rise: 2, fall: 3 });
		let up = countResult(config, startRiseFall(config), true);
		up = countResult(config, up, false);
		assert.deepEqual(carryRiseFall(keepalived({ rise: 5, fall: 2 }), up), { status: "up", result: 6, run: 0 });
		const down = countResult(config, startRiseFall(config), false);
		assert.deepEqual(carryRiseFall(keepalived({ rise: 5, fall: 2 }), down), { status: "down", result: 0, run: 0 });
	});

	it("says how many results are missing", () => {
		const config = keepalived({ rise: 2, fall: 3 });
		let state = countResult(config, startRiseFall(config), true);
		assert.equal(untilChange(config, state), "3 failures until down");
		state = countResult(config, state, false);
		assert.equal(untilChange(config, state), "2 failures until down");
		state = countResult(config, countResult(config, state, false), false);
		assert.equal(untilChange(config, state), "2 successes until up");
	});
});

// keepalived's weights, by table: what the effective priority is, and when an instance is in FAULT.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TrackerConfig } from "../vip-config.ts";
import { instanceForTest } from "../vrrp/instance-config.testing.ts";
import { resolveTracked, type TrackingConfig } from "./tracked-weights.ts";
import { file, link, script, TrackingRig, tracker, trackingConfig } from "./tracking.testing.ts";

const keepalivedPolicy = { whenAllFail: "release", holdDownMs: 0, maxHoldDownMs: 0 } as const;

/** Priority and FAULT of an instance with base 100 after results: true, false or the number in a file. */
function after(config: Partial<TrackerConfig>, results: readonly (boolean | number)[], base = 100): string {
	const rig = new TrackingRig(trackingConfig([tracker("chk", config)], { priority: base, health: keepalivedPolicy }));
	for (const result of results)
		if (typeof result === "number") rig.result("chk", result === 0, result);
		else rig.result("chk", result);
	const { priority, faults, health } = rig.instance();
	return `${priority}${faults.length === 0 ? "" : health.faults.length > 0 ? " FAULT" : " waits"}`;
}

const table: readonly (readonly [
	name: string,
	tracker: Partial<TrackerConfig>,
	results: readonly (boolean | number)[],
	expected: string,
	base?: number,
])[] = [
	["a positive weight adds nothing before the first result", { weight: 20 }, [], "100"],
	["a positive weight is added while up", { weight: 20 }, [true], "120"],
	["a positive weight goes when it fails", { weight: 20 }, [true, false], "100"],
	["a negative weight takes nothing before the first result", { weight: -20 }, [], "100"],
	["a negative weight takes nothing while up", { weight: -20 }, [true], "100"],
	["a negative weight is taken while failed", { weight: -20 }, [false], "80"],
	["init_fail takes a negative weight from the start", { weight: -20, startsFailed: true }, [], "80"],
	["reverse takes a positive weight while up", { weight: 20, reverse: true }, [true], "80"],
	["reverse adds a negative weight while failed", { weight: -20, reverse: true }, [false], "120"],
	["the priority never exceeds 254", { weight: 200 }, [true], "254"],
	["the priority is never below 1", { weight: -253 }, [false], "1"],
	["weight 0 waits for its first result", { weight: 0 }, [], "100 waits"],
	["weight 0 is a FAULT while failed", { weight: 0 }, [false], "100 FAULT"],
	["weight 0 is no FAULT once good", { weight: 0 }, [false, true], "100"],
	["weight 0 with init_fail is a FAULT from the start", { weight: 0, startsFailed: true }, [], "100 FAULT"],
	["weight 0 reversed is a FAULT while up", { weight: 0, reverse: true }, [true], "100 FAULT"],
	["weight 0 reversed is no FAULT while failed", { weight: 0, reverse: true }, [false], "100"],
	["255 is immune to weights", { weight: -50 }, [false], "255", 255],
	["255 goes to FAULT all the same with weight 0", { weight: 0 }, [false], "255 FAULT", 255],
	["a file's value is multiplied by the weight", { check: file, weight: 2 }, [-15], "70"],
	["a file of 0 changes nothing", { check: file, weight: 2 }, [-15, 0], "100"],
	["a file's product of -254 is a FAULT", { check: file, weight: 2 }, [-127], "100 FAULT"],
	["a file's product of -253 is none", { check: file, weight: 1 }, [-253], "1"],
	["a file's product is at most 253", { check: file, weight: 100 }, [100], "254"],
	["a file with weight 0 is a FAULT for any value but 0", { check: file, weight: 0 }, [3], "100 FAULT"],
	["a file with weight 0 and the value 0 is none", { check: file, weight: 0 }, [3, 0], "100"],
	["a link with weight -30 costs it while down", { check: link, weight: -30 }, [false], "70"],
	["a dead tracker is a FAULT whatever its weight", { weight: -5, failureClass: "dead" }, [false], "100 FAULT"],
	["a degraded tracker lowers the priority", { weight: -40, failureClass: "degraded" }, [false], "60"],
	["a degraded tracker without a weight costs 60", { weight: 0, failureClass: "degraded" }, [false], "40"],
	["a degraded file never means FAULT", { check: file, weight: -254, failureClass: "degraded" }, [254], "1"],
];

describe("keepalived's weights", () => {
	for (const [name, config, results, expected, base] of table)
		it(name, () => assert.equal(after(config, results, base), expected));

	it("adds up several trackers before it cuts to 1 to 254", () => {
		const rig = new TrackingRig(trackingConfig([tracker("a", { weight: -90 }), tracker("b", { weight: 200 })]));
		rig.result("a", false);
		rig.result("b", true);
		assert.equal(rig.instance().priority, 210);
		rig.result("b", false);
		assert.equal(rig.instance().priority, 10);
	});

	it("tells nothing when a result changes nothing", () => {
		const rig = new TrackingRig(trackingConfig([tracker("a", { weight: -90, fall: 3 })]));
		rig.result("a", true);
		assert.deepEqual(rig.result("a", true), []);
		assert.deepEqual(rig.result("a", false), []);
		const state = rig.state;
		rig.result("a", false);
		rig.result("nobody", false);
		assert.notEqual(rig.state, state);
		assert.deepEqual(rig.result("a", false), ["web 10"]);
	});

	it("keeps what it knows of a script over a reload, and starts anew when the target of a probe is another", () => {
		const http = (url: string) =>
			tracker("web", { weight: -30, check: { type: "http", url, insecure: false, intervalMs: 1, timeoutMs: 1 } });
		const rig = new TrackingRig(trackingConfig([tracker("chk", { weight: -20 }), http("http://a/")]));
		rig.result("chk", false);
		rig.result("web", false);
		assert.equal(rig.instance().priority, 50);
		rig.reload(trackingConfig([tracker("chk", { weight: -25 }), http("http://b/")]));
		assert.equal(rig.instance().priority, 75);
	});

	it("tells the priority first when a FAULT ends, and the FAULT first when it begins", () => {
		const rig = new TrackingRig(
			trackingConfig([tracker("a", { weight: 0 }), tracker("b", { weight: -20 })], {
				health: { whenAllFail: "release", holdDownMs: 0, maxHoldDownMs: 0 },
			}),
		);
		assert.deepEqual(rig.told, ["web waits", "web 100"]);
		assert.deepEqual(rig.result("a", true), ["web able"]);
		assert.deepEqual(rig.result("a", false), ["web FAULT"]);
		assert.deepEqual(rig.result("b", false), ["web 80"]);
		assert.deepEqual(rig.result("a", true), ["web able"]);
		rig.reload(trackingConfig([tracker("a", { weight: 0 }), tracker("c", { weight: -20 })]));
		assert.deepEqual(rig.told.splice(0).slice(-1), ["web 100"]);
	});
});

describe("trackers in sync groups", () => {
	const trackers = [
		tracker("weighted", { weight: -20 }),
		tracker("strict", { weight: 0 }),
		tracker("link", { weight: -10, check: link }),
		tracker("file-1", { weight: 1, check: file }),
		tracker("file-2", { weight: 2, check: file }),
	];
	const resolvedOf = (config: TrackingConfig): string => {
		const [instance] = config.instances;
		if (!instance) throw new Error("no instance");
		return resolveTracked(config, instance)
			.map((one) => `${one.tracker.name} ${one.effect === "fault" ? "FAULT" : one.weight}`)
			.join(", ");
	};
	const tracked = trackers.map((one) => ({ tracker: one.name }));
	const inGroup = (usesWeights: boolean, priority = 100): TrackingConfig => ({
		trackers,
		instances: [instanceForTest({ tracked, priority })],
		groups: [{ name: "G", members: ["web"], tracked: [], usesWeights, notify: {} }],
	});

	it("ignores members' weights: scripts go, links and files of weight 1 turn into FAULT", () => {
		assert.equal(resolvedOf(inGroup(false)), "strict FAULT, link FAULT, file-1 FAULT");
	});

	it("counts members' weights when the group says so", () => {
		assert.equal(resolvedOf(inGroup(true)), "weighted -20, strict FAULT, link -10, file-1 1, file-2 2");
	});

	it("takes weighted trackers off an owner of the addresses", () => {
		const config: TrackingConfig = { trackers, instances: [instanceForTest({ tracked, priority: 255 })], groups: [] };
		assert.equal(resolvedOf(config), "strict FAULT, file-1 FAULT");
	});

	it("applies the group's own trackers with their weights to each member, and as FAULT beside priority 255", () => {
		const config = (priority: number): TrackingConfig => ({
			trackers,
			instances: [instanceForTest({ priority: 100 }), instanceForTest({ name: "b", priority })],
			groups: [
				{ name: "G", members: ["web", "b"], tracked: [{ tracker: "weighted" }], usesWeights: false, notify: {} },
			],
		});
		assert.equal(resolvedOf(config(100)), "weighted -20");
		assert.equal(resolvedOf(config(255)), "weighted FAULT");
	});

	it("lets a tracking line change the weight and the direction", () => {
		const config: TrackingConfig = {
			trackers: [tracker("chk", { weight: 5, check: script })],
			instances: [instanceForTest({ tracked: [{ tracker: "chk", weight: 30, reverse: true }] })],
			groups: [],
		};
		const rig = new TrackingRig(config);
		rig.result("chk", true);
		assert.equal(rig.instance().priority, 70);
	});
});

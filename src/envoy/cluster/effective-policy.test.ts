import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { TrafficPolicy } from "../../resources/kinds/networking.ts";
import { policyForPort, policyForSubset } from "./effective-policy.ts";

const random = { simple: "RANDOM" } as const;
const roundRobin = { simple: "ROUND_ROBIN" } as const;
const pool = { tcp: { maxConnections: 1 } };

describe("the traffic policy of a port", () => {
	it("is the rule's when no setting names the port", () => {
		const policy: TrafficPolicy = { loadBalancer: random, portLevelSettings: [{ port: { number: 81 } }] };
		assert.equal(policyForPort(policy, 80), policy);
	});

	it("replaces the rule's as a whole: what the setting leaves out is at its default", () => {
		const policy: TrafficPolicy = {
			loadBalancer: random,
			connectionPool: pool,
			portLevelSettings: [{ port: { number: 80 }, loadBalancer: roundRobin }],
		};
		assert.equal(policyForPort(policy, 80)?.loadBalancer, roundRobin);
		assert.equal(policyForPort(policy, 80)?.connectionPool, undefined);
	});
});

describe("the traffic policy of a subset", () => {
	it("inherits from the rule, block by block", () => {
		const subset = { name: "v1", trafficPolicy: { loadBalancer: roundRobin } };
		const policy = policyForSubset({ loadBalancer: random, connectionPool: pool }, subset, 80);
		assert.deepEqual([policy?.loadBalancer, policy?.connectionPool], [roundRobin, pool]);
	});

	it("is the rule's policy for the port when the subset has none", () => {
		const rule: TrafficPolicy = { portLevelSettings: [{ port: { number: 80 }, connectionPool: pool }] };
		assert.equal(policyForSubset(rule, { name: "v1" }, 80)?.connectionPool, pool);
		assert.equal(policyForSubset(rule, { name: "v1" }, 81)?.connectionPool, undefined);
	});

	it("replaces everything where the subset has a setting for the port", () => {
		const subset = {
			name: "v1",
			trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, loadBalancer: roundRobin }] },
		};
		const policy = policyForSubset({ connectionPool: pool }, subset, 80);
		assert.deepEqual([policy?.loadBalancer, policy?.connectionPool], [roundRobin, undefined]);
	});
});

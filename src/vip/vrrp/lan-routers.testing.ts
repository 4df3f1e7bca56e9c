// Routers on a quiet simulated LAN that have settled, for scenarios.

import assert from "node:assert/strict";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import type { InstanceConfig } from "../vip-config.ts";
import { instanceForTest } from "./instance-config.testing.ts";
import { SimulatedLan, type SimulatedRouter } from "./lan-simulator.testing.ts";

const settleUs = 10_000_000;

/** One router for each configuration, after ten seconds. */
export function lanOf(...configs: Partial<InstanceConfig>[]): {
	lan: SimulatedLan;
	routers: readonly SimulatedRouter[];
} {
	const lan = new SimulatedLan({ random: seededRandom(1), minDelayUs: 50, maxDelayUs: 500, loss: 0 });
	for (const config of configs) lan.add(instanceForTest(config));
	lan.advance(settleUs);
	lan.forget();
	return { lan, routers: lan.routers };
}

export function router(routers: readonly SimulatedRouter[], index: number): SimulatedRouter {
	const found = routers[index];
	assert.ok(found);
	return found;
}

export function ownerNames(lan: SimulatedLan): string {
	return lan
		.owners()
		.map((owner) => owner.name)
		.join(" ");
}

// Random changes of a Service, its slices and the node: after each, every connection must meet in the plan those whom the
// independent model lets answer, with the source that it lets them see.

import assert from "node:assert/strict";
import { it } from "node:test";
import type { ConfigObject } from "../../resources/config-object.ts";
import { Dice } from "../../runtime/seeded-random.testing.ts";
import { layer4ServiceOf } from "./layer4-service-of.ts";
import { planService } from "./plan-service.ts";
import { connectionsTo, randomNode, randomService, randomSlice } from "./random-world.testing.ts";
import { type Trace, traceConnection } from "./trace-connection.ts";
import { type Expected, type World, whoMayAnswer } from "./who-may-answer.testing.ts";

const steps = 150;
const seeds = [1, 20_26, Number(process.env.KEEPMESH_SEED ?? Math.floor(Math.random() * 2 ** 31))];

for (const seed of seeds)
	it(`a walk of ${steps} changes meets who may answer (KEEPMESH_SEED=${seed})`, (t) => {
		const met = walk(seed);
		t.diagnostic(
			Object.entries(met)
				.map(([outcome, count]) => `${outcome} ${count}`)
				.join(", "),
		);
		for (const outcome of ["balanced", "dropped", "refused", "untouched", "hairpin"] as const)
			assert.ok((met[outcome] ?? 0) > 0, `none was ${outcome}`);
	});

function walk(seed: number): Record<string, number> {
	const dice = new Dice(seed);
	const slices = new Map<string, ConfigObject<"EndpointSlice">>();
	let service = randomService(dice);
	let node = randomNode(dice);
	const met: Record<string, number> = {};
	for (let step = 0; step < steps; step++) {
		if (dice.chance(0.3)) service = randomService(dice);
		if (dice.chance(0.2)) node = randomNode(dice);
		const name = dice.one(["web-1", "web-2", "web-3"]);
		if (dice.chance(0.2)) slices.delete(name);
		else slices.set(name, randomSlice(dice, name));
		const world: World = { service, slices: [...slices.values()], node };
		checkWorld(world, `seed ${seed}, step ${step}`, met);
	}
	return met;
}

function checkWorld(world: World, where: string, met: Record<string, number>): void {
	const made = layer4ServiceOf(world.service, world.slices, []);
	assert.ok(made);
	const balancers = planService(made, world.node);
	for (const connection of connectionsTo(world)) {
		const trace = traceConnection(balancers, world.node, connection);
		const expected = whoMayAnswer(world, connection);
		const outcome = outcomeOf(trace);
		if (JSON.stringify(outcome) !== JSON.stringify(expected))
			assert.deepEqual(outcome, expected, `${where}: ${JSON.stringify(connection)}\n${JSON.stringify(world, null, 1)}`);
		met[trace.outcome] = (met[trace.outcome] ?? 0) + 1;
		const sources = new Set(trace.backends.map(({ source }) => source));
		if (sources.size > 1) met.hairpin = (met.hairpin ?? 0) + 1;
	}
}

function outcomeOf(trace: Trace): Expected {
	if (trace.outcome !== "balanced") return trace.outcome;
	return trace.backends.map(({ backend, source }) => `${backend.address} ${backend.port} ${source}`).sort();
}

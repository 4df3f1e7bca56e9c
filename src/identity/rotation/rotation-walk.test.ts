// Rotations in a small fleet where everything may be late, die or come back: first every order of events that there is, then
// long random ones over a larger fleet. At no moment may one proxy show a certificate that another does not trust.

import assert from "node:assert/strict";
import { it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import {
	allOperations,
	copyOf,
	type Fleet,
	newFleet,
	type Operation,
	operate,
	settles,
	violation,
} from "./fleet-model.testing.ts";

/** These reach every stage; of a new seed only what must hold for all is asked. */
const fixedSeeds = [1, 20_26];
const seeds = [...fixedSeeds, Number(process.env.KEEPMESH_SEED ?? Math.floor(Math.random() * 2 ** 31))];
const walks = 100;
const stepsOfWalk = 600;

for (const seed of seeds)
	it(`${walks} walks never break trust, and each rotation can be brought to its end (KEEPMESH_SEED=${seed})`, () => {
		const random = seededRandom(seed);
		const reached = new Set<string>();
		for (let walk = 0; walk < walks; walk++) {
			const fleet = newFleet(3, 2);
			const history: Operation[] = [];
			for (let step = 0; step < stepsOfWalk; step++) {
				const operation = pick(random, fleet);
				history.push(operation);
				operate(fleet, operation);
				check(fleet, history);
				reached.add(
					fleet.state.phase === "running" ? `${fleet.state.kind} ${fleet.state.stage}` : `${fleet.state.last?.outcome}`,
				);
			}
			assert.ok(settles(fleet), `walk ${walk}: never ends: ${JSON.stringify(fleet.state)}`);
			check(fleet, history);
		}
		if (!fixedSeeds.includes(seed)) return;
		for (const kind of ["root", "issuer"])
			for (const stage of ["sign-with-new", "drop-old", "sign-with-old", "drop-new"])
				assert.ok(reached.has(`${kind} ${stage}`), `the walks never saw ${kind} ${stage}`);
		assert.ok(reached.has("done") && reached.has("aborted"));
	});

it("no order of events of a root's rotation breaks trust between two proxies, with an abort or without", () => {
	const start = newFleet(2, 1);
	operate(start, { type: "request", kind: "root" });
	const seen = new Set<string>([JSON.stringify(start)]);
	let front = [start];
	let states = 0;
	while (front.length > 0) {
		const next: Fleet[] = [];
		for (const fleet of front)
			for (const operation of allOperations(fleet)) {
				if (!isTried(operation)) continue;
				const after = copyOf(fleet);
				operate(after, operation);
				const key = JSON.stringify(after);
				if (seen.has(key)) continue;
				seen.add(key);
				states++;
				check(after, [operation]);
				next.push(after);
			}
		front = next;
	}
	assert.ok(states > 1000, `only ${states} states`);
});

/** Less than there is, so that the states stay countable: the walks do the rest. */
function isTried(operation: Operation): boolean {
	switch (operation.type) {
		case "request":
		case "leave":
		case "join":
		case "renew":
			return false;
		case "drive":
			return !operation.late && operation.crash === "none";
		default:
			return true;
	}
}

it("the model notices a root that is used before all trust it, and one that goes too early", () => {
	const early = newFleet(2, 1);
	early.authority.roots = ["r0", "r1"];
	early.authority.issuers = ["r0/0", "r1/0"];
	early.authority.signing = "r1/0";
	assert.match(violation(early) ?? "", /r1\/0 signs, and proxy 0 trusts r0/);
	const late = newFleet(2, 1);
	const [proxy] = late.proxies;
	assert.ok(proxy);
	proxy.trusts = ["r1"];
	assert.match(violation(late) ?? "", /proxy 0 trusts r1/);
});

function check(fleet: Fleet, history: readonly Operation[]): void {
	const broken = violation(fleet);
	if (broken)
		assert.fail(
			`${broken}\n${JSON.stringify(fleet.state)}\n${history
				.slice(-40)
				.map((one) => JSON.stringify(one))
				.join("\n")}`,
		);
}

/** Mostly what brings a rotation on; sometimes what disturbs it. */
function pick(random: () => number, fleet: Fleet): Operation {
	const operations = allOperations(fleet);
	for (;;) {
		const operation = operations[Math.floor(random() * operations.length)];
		if (operation && random() < likelihood(operation)) return operation;
	}
}

function likelihood(operation: Operation): number {
	switch (operation.type) {
		case "abort":
			return 0.02;
		case "request":
			return operation.kind === "root" ? 0.4 : 0.1;
		case "leave":
			return 0.05;
		case "drive":
			return operation.crash === "none" && !operation.late ? 1 : 0.1;
		default:
			return 1;
	}
}

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Dice } from "../../runtime/seeded-random.testing.ts";
import { AliveWorld, control } from "./alive-world.testing.ts";
import { watchedBy, watchersOf } from "./watch-ring.ts";

const saidOf = (world: AliveWorld): readonly string[] =>
	world.said.map(({ action }) => ("node" in action ? `${action.type} ${action.node}` : action.type));

describe("the ring of watchers", () => {
	const members = Array.from({ length: 20 }, (_, n) => `node-${n}`);

	it("gives each node three that listen to it, and is the same seen from both sides", () => {
		for (const name of members) {
			const watchers = watchersOf(name, members.toReversed());
			assert.equal(new Set(watchers).size, 3);
			for (const watcher of watchers) assert.ok(watchedBy(watcher, members).includes(name));
		}
	});

	it("is smaller where there are fewer, and has nobody listen to itself", () => {
		assert.deepEqual(watchersOf("a", ["a"]), []);
		assert.deepEqual(watchersOf("a", ["a", "b"]), ["b"]);
		assert.deepEqual(watchersOf("stranger", ["a", "b"]), []);
	});

	it("changes for few when one joins", () => {
		const before = new Map(members.map((name) => [name, watchersOf(name, members).join()]));
		const changed = members.filter((name) => watchersOf(name, [...members, "new"]).join() !== before.get(name));
		assert.ok(changed.length <= 3, `${changed.length} changed`);
	});
});

describe("a node that lost its power", () => {
	for (const count of [2, 3, 10])
		it(`is lost within a second, of ${count} nodes`, () => {
			const world = new AliveWorld(count, count);
			world.powerOff("n1");
			world.run(1_000);
			assert.deepEqual(world.lost, ["n1"]);
			assert.deepEqual(saidOf(world), ["lost n1"]);
		});

	it("is back a second after it answers, as one that was booted", () => {
		const world = new AliveWorld(5, 1);
		world.powerOff("n1");
		world.run(10_000);
		assert.deepEqual(world.lost, ["n1"], "as long as it is down");
		world.powerOn("n1");
		world.run(900);
		assert.deepEqual(world.lost, ["n1"]);
		world.run(400);
		assert.deepEqual(world.lost, []);
		const last = world.said.at(-1)?.action;
		assert.ok(last?.type === "back" && last.rebooted);
	});

	it("takes longer to be believed each time that it is lost soon again", () => {
		const world = new AliveWorld(5, 2);
		const backAfterMs = [1, 2, 3].map(() => {
			world.powerOff("n1");
			world.run(2_000);
			assert.deepEqual(world.lost, ["n1"]);
			world.powerOn("n1");
			const sinceMs = world.nowMs;
			while (world.lost.length > 0 && world.nowMs < sinceMs + 60_000) world.run(10);
			return world.nowMs - sinceMs;
		});
		const [first = 0, second = 0, third = 0] = backAfterMs;
		assert.ok(second > first + 900 && third > second + 1_900, backAfterMs.join());
	});

	it("is lost also when two of the three that listened to it went with it", () => {
		const world = new AliveWorld(12, 3);
		const [a = "", b = ""] = watchersOf("n1", world.names);
		for (const name of ["n1", a, b]) world.powerOff(name);
		world.run(2_000);
		assert.deepEqual(world.lost, ["n1", a, b].sort());
	});
});

describe("a node that lives", () => {
	it("is not lost while its agent is replaced, is hung or starved", () => {
		const world = new AliveWorld(5, 4);
		world.stopAgent("n1");
		world.stall("n2", 20_000);
		world.run(20_000);
		world.startAgent("n1");
		world.run(5_000);
		assert.deepEqual(saidOf(world), []);
	});

	it("is not lost because those that listen to it cannot hear it", () => {
		const world = new AliveWorld(5, 5);
		for (const watcher of watchersOf("n1", world.names)) world.cut("n1", watcher);
		world.run(10_000);
		assert.deepEqual(saidOf(world), []);
		assert.ok(world.asked > 0);
	});

	it("is not lost because the control plane alone cannot reach it", () => {
		const world = new AliveWorld(5, 6);
		world.cut("n1", control);
		world.run(10_000);
		assert.deepEqual(saidOf(world), []);
		assert.equal(world.asked, 0);
	});

	it("is not lost by the word of one where others listen as well", () => {
		const world = new AliveWorld(5, 7);
		world.cut("n1", watchersOf("n1", world.names)[0] ?? "");
		world.cut("n1", control);
		world.run(10_000);
		assert.deepEqual(saidOf(world), []);
	});

	it("is not lost when its watchers or the control plane stood still for seconds", () => {
		const world = new AliveWorld(5, 8);
		for (const watcher of watchersOf("n1", world.names)) world.stall(watcher, 3_000);
		world.run(5_000);
		for (const watcher of watchersOf("n1", world.names)) world.cut("n1", watcher);
		world.run(1_000);
		world.stallControl(3_000);
		world.run(5_000);
		assert.deepEqual(saidOf(world), []);
	});

	it("is lost to a mesh that cannot reach it, and the very same run when the network heals", () => {
		const world = new AliveWorld(5, 9);
		for (const other of [...world.names, control]) if (other !== "n1") world.cut("n1", other);
		// Its boot is known only from an answer.
		world.run(5_000);
		world.heal();
		world.run(2_000);
		assert.deepEqual(saidOf(world), ["lost n1", "back n1"]);
	});
});

describe("more than half of the nodes", () => {
	it("are not lost at once: that is held, and said", () => {
		const world = new AliveWorld(10, 10);
		for (const name of world.names.slice(0, 6)) world.powerOff(name);
		world.run(3_000);
		assert.ok(world.lost.length <= 5, world.lost.join());
		assert.ok(saidOf(world).includes("held"));
	});
});

describe("any cluster", () => {
	it("never loses a node that its control plane reaches, and each dead one that somebody can tell of", () => {
		for (let seed = 1; seed <= 40; seed++) {
			const dice = new Dice(seed);
			const world = new AliveWorld(4 + dice.below(8), seed);
			world.lossShare = 0.02;
			for (let turn = 0; turn < 6; turn++) {
				disturb(world, dice);
				world.run(500 + dice.below(4_000));
				const wrong = world.said.filter(
					({ action }) => action.type === "lost" && reachable.get(world)?.has(action.node),
				);
				assert.deepEqual(wrong, [], `seed ${seed}`);
				world.said.length = 0;
			}
			world.heal();
			world.lossShare = 0;
			for (const name of world.names) world.startAgent(name);
			for (const name of world.names) if (!world.isUp(name) && dice.chance(0.5)) world.powerOn(name);
			world.run(60_000);
			const down = world.names.filter((name) => !world.isUp(name));
			for (const name of world.lost) assert.ok(down.includes(name), `seed ${seed}: ${name} is still lost`);
		}
	});
});

/** Nodes with power that the control plane has reached all the time since the last disturbance and before it. */
const reachable = new WeakMap<AliveWorld, ReadonlySet<string>>();

function disturb(world: AliveWorld, dice: Dice): void {
	const reached = (): readonly string[] =>
		world.names.filter((name) => world.isUp(name) && !world.isCut(name, control));
	const before = new Set(reached());
	const one = world.names[dice.below(world.names.length)] ?? "";
	const other = [...world.names, control][dice.below(world.names.length + 1)] ?? "";
	switch (dice.below(7)) {
		case 0:
			world.powerOff(one);
			break;
		case 1:
			if (!world.isUp(one)) world.powerOn(one);
			break;
		case 2:
		case 3:
			if (one !== other) world.cut(one, other);
			break;
		case 4:
			world.stall(one, dice.below(3_000));
			break;
		case 5:
			world.stallControl(dice.below(2_000));
			break;
		default:
			world.heal();
	}
	reachable.set(world, new Set(reached().filter((name) => before.has(name))));
}

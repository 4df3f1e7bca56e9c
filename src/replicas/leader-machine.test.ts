import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { initialLeaderState, type LeaderEvent, type LeaderState, leaderOf, stepLeader } from "./leader-machine.ts";

function replica() {
	let state: LeaderState = initialLeaderState;
	const run = (event: LeaderEvent): readonly string[] => {
		const step = stepLeader(state, event);
		state = step.state;
		return step.actions.map((action) => (action.type === "lead" ? `lead ${action.from.epoch}` : action.type));
	};
	const owns = (isOwner: boolean) => run({ type: "ownerChanged", isOwner });
	const gathered = (epoch = 0, wallMs = 5_000) => run({ type: "gathered", newest: { epoch, counter: 9 }, wallMs });
	const says = (id: string, epoch?: number) => run({ type: "peerSaid", id, epoch });
	return { run, owns, gathered, says, leader: () => leaderOf(state, "self") };
}

describe("the leader of the control planes", () => {
	it("is the owner of the virtual IP, once it knows what the others know, in an epoch above all of theirs", () => {
		const { owns, gathered, leader } = replica();
		assert.equal(leader(), undefined);
		assert.deepEqual(owns(true), ["gather"]);
		assert.equal(leader(), undefined);
		assert.deepEqual(gathered(41), ["lead 42"]);
		assert.equal(leader(), "self");
		assert.deepEqual(owns(false), ["follow"]);
		assert.equal(leader(), undefined);
	});

	it("waits until the one before it is gone or has said that it no longer leads", () => {
		const { owns, says, gathered, leader, run } = replica();
		says("a", 7);
		assert.deepEqual(owns(true), []);
		assert.equal(leader(), "a");
		assert.deepEqual(says("a"), ["gather"]);
		assert.deepEqual(gathered(7), ["lead 8"]);
		says("b", 5);
		assert.deepEqual(run({ type: "peerGone", id: "b" }), []);
		const other = replica();
		other.says("a", 7);
		other.owns(true);
		assert.deepEqual(other.run({ type: "peerGone", id: "a" }), ["gather"]);
	});

	it("is one of two owners that hear each other again: the one of the newer epoch, until the other owns alone", () => {
		const { owns, says, gathered, leader } = replica();
		owns(true);
		gathered(1, 0);
		assert.deepEqual(says("a", 9), ["follow"]);
		assert.equal(leader(), "a");
		assert.deepEqual(says("a"), ["gather"]);
		assert.deepEqual(gathered(9, 0), ["lead 10"]);
		assert.deepEqual(says("a", 4), []);
		assert.equal(leader(), "self");
	});

	it("begins anew when it hears of an epoch that is not its own, from a leader that nobody hears", () => {
		const { owns, gathered, run } = replica();
		owns(true);
		gathered(1, 0);
		assert.deepEqual(run({ type: "epochHeard", epoch: 2 }), []);
		assert.deepEqual(run({ type: "epochHeard", epoch: 6 }), ["follow", "gather"]);
		assert.deepEqual(gathered(6, 0), ["lead 7"]);
	});

	it("does not lead after all when the address went elsewhere while it gathered", () => {
		const { owns, gathered, leader } = replica();
		owns(true);
		assert.deepEqual(owns(false), ["follow"]);
		assert.deepEqual(gathered(3), []);
		assert.equal(leader(), undefined);
	});
});

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import { type Ask, DrivenElection, MemoryLease } from "./driven-election.testing.ts";
import { holdsLease } from "./election-rules.ts";
import type { LeaseOutcome } from "./lease-store.ts";

interface Node {
	readonly machine: DrivenElection;
	/** Of its clocks: how fast, and how wrong. */
	readonly rate: number;
	readonly offsetUs: number;
	readonly wallMs: number;
	readonly answers: { readonly atMs: number; readonly id: number; readonly outcome: LeaseOutcome }[];
	claimSinceMs: number | undefined;
}

const names = ["a", "b", "c"];

class Walk {
	readonly lease = new MemoryLease();
	readonly nodes: readonly Node[];
	nowMs = 0;
	waits = 0;
	handed = 0;
	longestWaitMs = 0;
	#holder: string | undefined;
	readonly #random: () => number;

	constructor(seed: number) {
		this.#random = seededRandom(seed);
		this.nodes = names.map((identity) => ({
			machine: new DrivenElection({ identity }),
			rate: 0.9 + this.#random() * 0.2,
			offsetUs: this.#random() * 1e12,
			wallMs: (this.#random() - 0.5) * 1e12,
			answers: [],
			claimSinceMs: undefined,
		}));
	}

	step(): void {
		const random = this.#random;
		this.nowMs += random() < 0.02 ? random() * 9000 : random() * 120;
		for (const node of this.nodes) this.#runTimers(node);
		const node = this.nodes[Math.floor(random() * this.nodes.length)];
		if (!node) return;
		const { machine } = node;
		const { role } = machine.state;
		const what = random();
		if (what < 0.02) this.#become(node, "FAULT");
		else if (what < 0.06 && role !== "MASTER") this.#become(node, role === "BACKUP" ? "MASTER" : "BACKUP");
		else if (what < 0.07 && role === "MASTER") this.#become(node, "BACKUP");
		else if (what < 0.2) machine.tell({ type: "advertHeard", source: `addr-${names[Math.floor(random() * 3)]}` });
		else if (what < 0.6) this.#claim(node);
		this.#check();
	}

	#become(node: Node, role: "FAULT" | "BACKUP" | "MASTER"): void {
		node.claimSinceMs = undefined;
		node.machine.role(role, 1 + Math.floor(this.#random() * 254));
		this.#serve(node);
	}

	#claim(node: Node): void {
		if (node.machine.state.role !== "BACKUP") return;
		const [advice] = node.machine.tell({ type: "claimDue" });
		if (advice?.type !== "wait") {
			node.claimSinceMs = undefined;
			return;
		}
		assert.equal(node.machine.state.heardMaster, undefined, "only who hears nobody waits");
		this.waits++;
		node.claimSinceMs ??= this.nowMs;
		const waitMs = this.nowMs - node.claimSinceMs + (advice.untilUs - node.machine.nowUs) / node.rate / 1000;
		this.longestWaitMs = Math.max(this.longestWaitMs, waitMs * node.rate);
	}

	#runTimers(node: Node): void {
		const { machine, rate, offsetUs } = node;
		const nowUs = this.nowMs * 1000 * rate + offsetUs;
		machine.nowUs = nowUs;
		for (const answer of node.answers.splice(0)) {
			if (answer.atMs > this.nowMs) node.answers.push(answer);
			else machine.tell({ type: "storeAnswered", id: answer.id, outcome: answer.outcome });
		}
		if (machine.dueUs <= nowUs) {
			machine.dueUs = Number.POSITIVE_INFINITY;
			machine.tell({ type: "timerExpired" });
		}
		this.#serve(node);
	}

	/** At once, late, never, or with an error; what was written stays written. */
	#serve(node: Node): void {
		const { machine } = node;
		for (let ask: Ask | undefined = machine.asks.shift(); ask; ask = machine.asks.shift()) {
			const luck = this.#random();
			const apply = luck < 0.92;
			const wallMs = this.nowMs * node.rate + node.wallMs;
			const outcome: LeaseOutcome = apply
				? this.lease.apply(ask, wallMs)
				: { ok: false, because: "unreachable", message: "no route" };
			if (luck < 0.7) machine.tell({ type: "storeAnswered", id: ask.id, outcome });
			else if (luck < 0.85 || !apply)
				node.answers.push({ atMs: this.nowMs + this.#random() * 4000, id: ask.id, outcome });
		}
	}

	#check(): void {
		const holders = this.nodes.filter(({ machine }) => holdsLease(machine.config, machine.state, machine.nowUs));
		assert.ok(holders.length <= 1, `${holders.length} holders at ${this.nowMs} ms`);
		for (const { machine } of holders)
			if (machine.config.identity !== this.#holder) {
				this.#holder = machine.config.identity;
				this.handed++;
			}
		for (const { machine } of this.nodes)
			assert.ok(
				machine.dueUs < Number.POSITIVE_INFINITY || machine.state.role === "INIT",
				"a timer or an answer is awaited",
			);
	}
}

describe("a lease among nodes whose store fails and whose clocks are wrong", () => {
	it("has at most one node that counts on it, and puts no claim off for longer than the bound", () => {
		let [waits, handed] = [0, 0];
		for (let seed = 1; seed <= 20; seed++) {
			const walk = new Walk(seed);
			for (let step = 0; step < 5000; step++) walk.step();
			assert.ok(walk.longestWaitMs <= 1000.001, `seed ${seed}: ${walk.longestWaitMs} ms`);
			waits += walk.waits;
			handed += walk.handed;
		}
		assert.ok(waits > 500 && handed > 500, `the walk saw little: ${waits} waits, ${handed} holders`);
	});

	it("never makes both of two equal masters go, whatever each believes of the lease", () => {
		let decidedByLease = 0;
		for (let seed = 1; seed <= 3000; seed++) {
			const random = seededRandom(seed);
			const lease = new MemoryLease();
			const pair = ["a", "b"].map((identity) => {
				const machine = new DrivenElection({ identity });
				machine.role("MASTER");
				return { machine, startMs: random() * 100, master: true };
			});
			const [low, high] = pair;
			assert.ok(low && high);
			const serve = (machine: DrivenElection): void => {
				if (random() < 0.8) machine.answer(lease);
				else if (machine.asks.length > 0) machine.fail();
			};
			for (let ms = 0; ms < 800; ms++) {
				for (const [one, other] of [
					[low, high],
					[high, low],
				] as const) {
					one.machine.nowUs = ms * 1000;
					if (one.machine.dueUs <= ms * 1000) one.machine.tell({ type: "timerExpired" });
					if (random() < 0.05) serve(one.machine);
					if (!one.master || !other.master || ms < 100 || Math.floor(ms - other.startMs) % 100 !== 0) continue;
					const [advice] = one.machine.tell({ type: "equalHeard", source: `addr-${other.machine.config.identity}` });
					const stays = advice?.type === "tie" ? advice.stays : one === high ? "self" : "other";
					if (stays === "other") one.master = false;
				}
			}
			assert.ok(low.master !== high.master, `seed ${seed}: ${low.master} ${high.master}`);
			if (low.master) decidedByLease++;
		}
		assert.ok(decidedByLease > 300, `the holder with the lower address stayed ${decidedByLease} times`);
	});
});

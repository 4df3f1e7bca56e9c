// When key sets are fetched, with a time that the test makes.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { seededRandom } from "../../runtime/seeded-random.testing.ts";
import type { NeededKeySet } from "../../snapshot/key-sets.ts";
import {
	defaultKeySetConfig,
	type GoodKeySet,
	initialKeySetState,
	type KeySetAction,
	type KeySetConfig,
	type KeySetEvent,
	type KeySetState,
	stepKeySets,
} from "./key-set-machine.ts";

const minute = 60_000;
const a = need("https://a.example/keys");
const b = need("https://b.example/keys");

function need(uri: string): NeededKeySet {
	return { uri, kind: "keySet", issuer: uri, timeoutMs: 5000 };
}

/** Steps and says what the machine does, in short: `fetch a`, `timer 1000`, `publish a=1`. */
class Script {
	readonly #config: KeySetConfig;
	state: KeySetState;
	nowMs = 0;
	readonly wallStartMs = 1_700_000_000_000;

	constructor(stored: ReadonlyMap<string, GoodKeySet> = new Map(), config: Partial<KeySetConfig> = {}) {
		this.#config = { ...defaultKeySetConfig, ...config };
		this.state = initialKeySetState(stored);
	}

	need(...needed: readonly NeededKeySet[]): readonly string[] {
		return this.#do({ type: "neededChanged", needed, nowMs: this.nowMs, wallMs: this.wallStartMs + this.nowMs });
	}

	fetched({ uri }: NeededKeySet, keys: string, chance = 0): readonly string[] {
		return this.#ended(uri, { ok: true, keys }, chance);
	}

	failed({ uri }: NeededKeySet, because = "down", chance = 0): readonly string[] {
		return this.#ended(uri, { ok: false, because }, chance);
	}

	timer(afterMs: number): readonly string[] {
		this.nowMs += afterMs;
		return this.#do({ type: "timerExpired", nowMs: this.nowMs });
	}

	#ended(uri: string, outcome: Extract<KeySetEvent, { type: "fetchEnded" }>["outcome"], chance: number) {
		const wallMs = this.wallStartMs + this.nowMs;
		return this.#do({ type: "fetchEnded", uri, outcome, nowMs: this.nowMs, wallMs, chance });
	}

	#do(event: KeySetEvent): readonly string[] {
		const { state, actions } = stepKeySets(this.#config, this.state, event);
		this.state = state;
		return actions.map(shown);
	}
}

const short = (uri: string): string => new URL(uri).hostname.split(".")[0] ?? "";

function shown(action: KeySetAction): string {
	switch (action.type) {
		case "fetch":
			return `fetch ${short(action.needed.uri)}`;
		case "setTimer":
			return `timer ${action.afterMs}`;
		case "store":
			return `store ${short(action.uri)}=${action.good.keys}`;
		case "forget":
			return `forget ${short(action.uri)}`;
		case "publish":
			return `publish ${[...action.keySets].map(([uri, keys]) => `${short(uri)}=${keys}`).join(" ")}`;
		default:
			return action satisfies never;
	}
}

describe("stepKeySets", () => {
	it("fetches what is needed at once, publishes and stores it, and looks again in 20 minutes", () => {
		const script = new Script();
		assert.deepEqual(script.need(a, b), ["fetch a", "fetch b"]);
		assert.deepEqual(script.fetched(a, "1"), ["store a=1", "publish a=1", `timer ${20 * minute}`]);
		assert.deepEqual(script.fetched(b, "2"), ["store b=2", "publish a=1 b=2", `timer ${20 * minute}`]);
		assert.deepEqual(script.timer(20 * minute), ["fetch a", "fetch b"]);
		assert.deepEqual(script.fetched(a, "1"), ["store a=1", `timer ${20 * minute}`]);
		assert.deepEqual(script.fetched(b, "3"), ["store b=3", "publish a=1 b=3", `timer ${20 * minute}`]);
	});

	it("asks nobody again because the same is needed still", () => {
		const script = new Script();
		script.need(a);
		assert.deepEqual(script.need(a), []);
		script.fetched(a, "1");
		assert.deepEqual(script.need(a), [`timer ${20 * minute}`]);
	});

	it("tries again after 1, 2, 4 seconds, up to a minute, while an issuer is down", () => {
		const script = new Script();
		script.need(a);
		const waits: string[] = [];
		for (let tries = 0; tries < 9; tries++) {
			const [timer = ""] = script.failed(a);
			waits.push(timer);
			assert.deepEqual(script.timer(Number(timer.split(" ")[1])), ["fetch a"]);
		}
		assert.deepEqual(
			waits.map((wait) => Number(wait.split(" ")[1]) / 1000),
			[1, 2, 4, 8, 16, 32, 60, 60, 60],
		);
		assert.equal(script.state.entries.get(a.uri)?.failures, 9);
		assert.deepEqual(script.fetched(a, "1"), ["store a=1", "publish a=1", `timer ${20 * minute}`]);
		assert.equal(script.state.entries.get(a.uri)?.failures, 0);
		assert.equal(script.state.entries.get(a.uri)?.because, undefined);
	});

	it("keeps what was good when a refresh fails", () => {
		const script = new Script();
		script.need(a);
		script.fetched(a, "1");
		script.timer(20 * minute);
		assert.deepEqual(script.failed(a), ["timer 1000"]);
		assert.deepEqual(script.state.entries.get(a.uri)?.good?.keys, "1");
		assert.equal(script.state.entries.get(a.uri)?.because, "down");
	});

	it("takes up to a tenth off each wait, by chance", () => {
		const script = new Script();
		script.need(a);
		assert.deepEqual(script.failed(a, "down", 1), ["timer 900"]);
		script.timer(900);
		assert.deepEqual(script.fetched(a, "1", 0.5).at(-1), `timer ${19 * minute}`);
	});

	it("begins with what was good before a restart, and asks for it again", () => {
		const script = new Script(new Map([[a.uri, { keys: "1", fetchedWallMs: 0 }]]));
		assert.deepEqual(script.need(a), ["publish a=1", "fetch a"]);
		assert.deepEqual(script.failed(a), ["timer 1000"]);
	});

	it("keeps the keys of a rule that was removed, for when it comes back", () => {
		const script = new Script();
		script.need(a);
		script.fetched(a, "1");
		assert.deepEqual(script.need(), ["publish "]);
		assert.deepEqual(script.timer(minute), []);
		assert.deepEqual(script.need(a), ["publish a=1", "fetch a"]);
	});

	it("forgets them after a week, or when there are many", () => {
		const script = new Script(new Map(), { maxUnneeded: 1 });
		script.need(a, b);
		script.fetched(a, "1");
		script.nowMs += 1;
		script.fetched(b, "2");
		assert.deepEqual(script.need(), ["forget a", "publish "]);
		script.nowMs += 8 * 24 * 60 * minute;
		assert.deepEqual(script.need(), ["forget b"]);
	});

	it("hears without harm the end of a fetch that nobody needs any more", () => {
		const script = new Script();
		script.need(a);
		script.need();
		assert.deepEqual(script.need(a), []);
		script.need();
		assert.deepEqual(script.fetched(a, "1"), ["store a=1"]);
		assert.deepEqual(script.need(a), ["publish a=1", "fetch a"]);
	});

	it("lets issuers that fail wait for those that do not", () => {
		const script = new Script(new Map(), { maxConcurrent: 1 });
		assert.deepEqual(script.need(a), ["fetch a"]);
		script.failed(a);
		script.nowMs += 5000;
		assert.deepEqual(script.need(a, b), ["fetch b"]);
		assert.deepEqual(script.failed(b).slice(0, 1), ["fetch a"]);
	});

	it("runs so many fetches at once, the others after them", () => {
		const script = new Script(new Map(), { maxConcurrent: 8 });
		const many = Array.from({ length: 20 }, (_, index) => need(`https://i${index}.example/keys`));
		assert.equal(script.need(...many).length, 8);
		let fetches = 8;
		const first = many.slice(0, 12);
		for (const one of first) {
			const actions = script.failed(one).filter((action) => action.startsWith("fetch"));
			fetches += actions.length;
			assert.ok(actions.length <= 1);
		}
		assert.equal(fetches, 20);
		const fetching = [...script.state.entries.values()].filter(({ phase }) => phase.type === "fetching");
		assert.equal(fetching.length, 8);
	});
});

describe("stepKeySets, walked at random", () => {
	for (const seed of [1, 2, 3, 4, 5]) {
		it(`never fetches twice at once, never too many, never forgets to come back (seed ${seed})`, () => {
			const random = seededRandom(seed);
			const config = { ...defaultKeySetConfig, maxConcurrent: 3, maxUnneeded: 2 };
			const all = Array.from({ length: 8 }, (_, index) => need(`https://i${index}.example/keys`));
			let state = initialKeySetState(new Map());
			let needed: readonly NeededKeySet[] = [];
			let published: ReadonlyMap<string, string> = new Map();
			const good = new Map<string, string>();
			const running: string[] = [];
			let timerAtMs: number | undefined;
			let nowMs = 0;
			for (let count = 0; count < 4000; count++) {
				const event = nextEvent();
				const before = state;
				const stepped = stepKeySets(config, state, event);
				state = stepped.state;
				if (event.type === "fetchEnded" && event.outcome.ok && before.entries.has(event.uri)) {
					good.set(event.uri, event.outcome.keys);
				}
				for (const uri of good.keys()) if (!state.entries.get(uri)?.good) good.delete(uri);
				for (const action of stepped.actions) {
					if (action.type === "fetch") running.push(action.needed.uri);
					if (action.type === "setTimer") timerAtMs = nowMs + action.afterMs;
					if (action.type === "publish") published = action.keySets;
				}
				check();
			}

			function nextEvent(): KeySetEvent {
				const choice = random();
				nowMs += Math.floor(random() * 2000);
				if (timerAtMs !== undefined && timerAtMs <= nowMs) {
					timerAtMs = undefined;
					return { type: "timerExpired", nowMs };
				}
				if (choice < 0.1) {
					needed = all.filter(() => random() < 0.6);
					return { type: "neededChanged", needed, nowMs, wallMs: nowMs };
				}
				const [uri] = running.splice(Math.floor(random() * running.length), 1);
				if (uri === undefined || choice > 0.8) {
					if (uri !== undefined) running.push(uri);
					return { type: "timerExpired", nowMs };
				}
				const outcome =
					random() < 0.5 ? { ok: true as const, keys: String(nowMs) } : { ok: false as const, because: "down" };
				return { type: "fetchEnded", uri, outcome, nowMs, wallMs: nowMs, chance: random() };
			}

			function check(): void {
				const wanted = [...state.entries].filter(([, entry]) => entry.needed);
				assert.deepEqual(wanted.map(([uri]) => uri).sort(), needed.map(({ uri }) => uri).sort());
				const fetching = [...state.entries.values()].filter(({ phase }) => phase.type === "fetching").length;
				assert.ok(fetching <= config.maxConcurrent);
				assert.equal(fetching, running.length);
				assert.equal(new Set(running).size, running.length);
				const due = wanted.flatMap(([, { phase }]) => (phase.type === "waiting" ? [phase.dueMs] : []));
				const soonest = Math.min(...due);
				// Something will happen: a fetch ends, or the timer expires in time for whatever is due next.
				if (due.length > 0 && fetching === 0) assert.ok(timerAtMs !== undefined && timerAtMs <= soonest);
				for (const { uri } of needed) {
					const entry = state.entries.get(uri);
					assert.equal(published.get(uri), entry?.good?.keys);
					assert.equal(entry?.good?.keys, good.get(uri));
				}
			}
		});
	}
});

// Seeded random walks: whatever changes, however late or never the ACKs come, however often the stream breaks, a client that
// applies what it is sent ends with exactly its configuration.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Response } from "./encode-response.ts";
import { type ProxyConfig, type ResourcePart, type TypeUrl, typeUrls } from "./resource.ts";
import { deltaRequest, part, readDelta } from "./session.testing.ts";
import { defaultSessionConfig, openSession, type SessionEvent, type SessionState, step } from "./session.ts";

const types: readonly TypeUrl[] = [
	typeUrls.cluster,
	typeUrls.endpoints,
	typeUrls.listener,
	typeUrls.route,
	typeUrls.secret,
];
const wildcards: ReadonlySet<TypeUrl> = new Set([typeUrls.cluster, typeUrls.listener]);
const names = Array.from({ length: 12 }, (_, index) => `r${index}`);

function seeded(seed: number): (below: number) => number {
	let state = seed;
	return (below) => {
		state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
		return Math.floor((state / 2 ** 32) * below);
	};
}

class Walk {
	readonly #pick: (below: number) => number;
	#nowMs = 0;
	#config: ProxyConfig;
	#server: SessionState = openSession("delta");
	#inbox: Response[] = [];
	/** What the client holds, by type and name. */
	readonly #held = new Map<TypeUrl, Map<string, string>>();
	/** What it asked for, by type. */
	readonly #asked = new Map<TypeUrl, Set<string>>();
	readonly #opened = new Set<TypeUrl>();
	#writable = true;
	/** Clusters sent in this stream whose endpoints must come again. */
	readonly #warming = new Set<string>();

	constructor(seed: number) {
		this.#pick = seeded(seed);
		this.#config = this.#randomConfig(undefined);
		for (const typeUrl of types) {
			this.#held.set(typeUrl, new Map());
			this.#asked.set(typeUrl, new Set(wildcards.has(typeUrl) ? [] : this.#someNames()));
		}
	}

	act(): void {
		const choice = this.#pick(12);
		if (choice <= 1) {
			this.#config = this.#randomConfig(this.#config);
			this.#feed({ type: "configChanged", config: this.#config, atMs: this.#nowMs });
		} else if (choice === 2) this.#open(types[this.#pick(types.length)] ?? typeUrls.cluster);
		else if (choice === 3) this.#changeNames();
		else if (choice === 4) {
			this.#nowMs += this.#pick(7_000);
			this.#feed({ type: "ticked", atMs: this.#nowMs });
		} else if (choice === 5) {
			if (this.#pick(6) === 0) this.#reconnect();
		} else if (choice === 6) {
			this.#writable = this.#pick(2) === 0;
			this.#feedSent();
		} else this.#read(this.#pick(5) !== 0);
	}

	/** Lets everything that is due happen, then compares. */
	finish(seed: number): void {
		this.#writable = true;
		this.#feed({ type: "configChanged", config: this.#config, atMs: this.#nowMs });
		for (const typeUrl of types) this.#open(typeUrl);
		for (let round = 0; round < 60; round++) {
			this.#feedSent();
			while (this.#inbox.length > 0) this.#read(true);
			this.#nowMs += 1_000;
			this.#feed({ type: "ticked", atMs: this.#nowMs });
		}
		assert.equal(this.#inbox.length, 0, `seed ${seed}: it never comes to rest`);
		assert.deepEqual([...this.#warming], [], `seed ${seed}: clusters wait for their endpoints`);
		for (const typeUrl of types) {
			const wanted = new Map<string, string>();
			for (const each of this.#config.get(typeUrl)?.parts ?? [])
				for (const { name, version } of each.resources.values())
					if (wildcards.has(typeUrl) || this.#asked.get(typeUrl)?.has(name)) wanted.set(name, version);
			const held = this.#held.get(typeUrl) ?? new Map();
			const sorted = (map: ReadonlyMap<string, string>) => [...map].sort();
			assert.deepEqual(sorted(held), sorted(wanted), `seed ${seed}: ${typeUrl}`);
		}
	}

	#open(typeUrl: TypeUrl): void {
		if (this.#opened.has(typeUrl)) return;
		this.#opened.add(typeUrl);
		const subscribe = [...(this.#asked.get(typeUrl) ?? [])];
		const initialVersions = new Map(this.#held.get(typeUrl));
		const request = deltaRequest(typeUrl, { subscribe, initialVersions });
		this.#feed({ type: "requestReceived", request, atMs: this.#nowMs });
	}

	#changeNames(): void {
		const typeUrl = [typeUrls.endpoints, typeUrls.route, typeUrls.secret][this.#pick(3)] ?? typeUrls.route;
		const asked = this.#asked.get(typeUrl) ?? new Set();
		const subscribe = this.#someNames().slice(0, this.#pick(4));
		const unsubscribe = [...asked].filter((name) => this.#pick(4) === 0 && !subscribe.includes(name));
		for (const name of subscribe) asked.add(name);
		for (const name of unsubscribe) {
			asked.delete(name);
			this.#held.get(typeUrl)?.delete(name);
		}
		if (!this.#opened.has(typeUrl)) return;
		const request = deltaRequest(typeUrl, { subscribe, unsubscribe });
		this.#feed({ type: "requestReceived", request, atMs: this.#nowMs });
	}

	#read(answers: boolean): void {
		const response = this.#inbox.shift();
		if (!response) return;
		const { typeUrl, nonce } = response;
		const { upserts, removed } = readDelta(response);
		const held = this.#held.get(typeUrl) ?? new Map();
		for (const [name, version] of upserts) {
			// A client lets go of what it no longer asks for, also when it was already on its way.
			if (!wildcards.has(typeUrl) && !this.#asked.get(typeUrl)?.has(name)) continue;
			held.set(name, version);
			if (typeUrl === typeUrls.cluster && this.#held.get(typeUrls.endpoints)?.has(name)) this.#warming.add(name);
			if (typeUrl === typeUrls.endpoints) this.#warming.delete(name);
		}
		for (const name of removed) {
			held.delete(name);
			if (typeUrl === typeUrls.cluster || typeUrl === typeUrls.endpoints) this.#warming.delete(name);
		}
		for (const name of this.#warming) if (!this.#held.get(typeUrls.endpoints)?.has(name)) this.#warming.delete(name);
		if (!answers) return;
		const request = deltaRequest(typeUrl, { nonce });
		this.#feed({ type: "requestReceived", request, atMs: this.#nowMs });
	}

	#reconnect(): void {
		this.#server = openSession("delta");
		this.#inbox = [];
		this.#opened.clear();
		this.#writable = true;
		// The request that opens endpoints again names the versions that the client holds for its warming clusters too.
		if (this.#pick(3) === 0) for (const held of this.#held.values()) held.clear();
		this.#warming.clear();
		if (this.#pick(2) === 0) this.#feed({ type: "configChanged", config: this.#config, atMs: this.#nowMs });
	}

	#feedSent(): void {
		if (this.#writable && this.#server.sendingSinceMs !== undefined) this.#feed({ type: "sent", atMs: this.#nowMs });
	}

	#feed(event: SessionEvent): void {
		const config = { ...defaultSessionConfig, stallMs: Number.POSITIVE_INFINITY };
		const { state, actions } = step(config, this.#server, event);
		this.#server = state;
		for (const action of actions) {
			assert.notEqual(action.type, "close");
			if (action.type === "send") this.#inbox.push(action.response);
		}
		this.#feedSent();
	}

	#someNames(): string[] {
		return this.#pick(3) === 0 ? [...names] : names.filter(() => this.#pick(2) === 0);
	}

	#randomConfig(before: ProxyConfig | undefined): ProxyConfig {
		return new Map(
			types.map((typeUrl) => {
				const set = before?.get(typeUrl);
				if (set && this.#pick(3) !== 0) return [typeUrl, set];
				return [typeUrl, { typeUrl, parts: this.#randomParts(typeUrl, set?.parts ?? []) }];
			}),
		);
	}

	/** One to three parts; some stay the same object, names may move between them. */
	#randomParts(typeUrl: TypeUrl, before: readonly ResourcePart[]): readonly ResourcePart[] {
		if (before.length > 0 && this.#pick(3) === 0) {
			const kept = before.filter(() => this.#pick(3) !== 0);
			const taken = new Set(kept.flatMap((each) => [...each.resources.keys()]));
			return [...kept, part(typeUrl, this.#contents(names.filter((name) => !taken.has(name))))];
		}
		const count = 1 + this.#pick(3);
		const buckets = Array.from({ length: count }, (): string[] => []);
		for (const name of names) buckets[this.#pick(count)]?.push(name);
		return buckets.map((bucket) => part(typeUrl, this.#contents(bucket)));
	}

	#contents(of: readonly string[]): Record<string, string> {
		return Object.fromEntries(of.filter(() => this.#pick(4) !== 0).map((name) => [name, String(this.#pick(3))]));
	}
}

describe("a delta session and a client that applies what it gets", () => {
	it("agree in the end, over 1,200 random histories", () => {
		for (let seed = 1; seed <= 1_200; seed++) {
			const walk = new Walk(seed);
			for (let action = 0; action < 60; action++) walk.act();
			walk.finish(seed);
		}
	});
});

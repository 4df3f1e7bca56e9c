import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Dice } from "../../runtime/seeded-random.testing.ts";
import { type Datagram, decodeDatagram, encodeDatagram } from "./datagram.ts";
import { signWith } from "./wire/heartbeat-key.ts";

const sign = signWith(Buffer.from("one key"));
const other = signWith(Buffer.from("another key"));
const all: readonly Datagram[] = [
	{ type: "beat", node: "n1", boot: 2n ** 64n - 1n, sequence: 7n },
	{ type: "ask", node: "knoten-ä", nonce: 1n },
	{ type: "answer", node: "x".repeat(253), boot: 0n, nonce: 2n ** 63n },
	{ type: "lost", node: "n2", nonce: 3n },
];

describe("a datagram", () => {
	it("comes out as it went in, under the newest key or an older one", () => {
		for (const one of all) assert.deepEqual(decodeDatagram(encodeDatagram(one, sign), [other, sign]), one);
	});

	it("is nothing under another key, or without one", () => {
		for (const one of all) {
			assert.equal(decodeDatagram(encodeDatagram(one, sign), [other]), undefined);
			assert.equal(decodeDatagram(encodeDatagram(one, sign), []), undefined);
		}
	});

	it("is nothing when any of its bits was changed, or when it was cut", () => {
		for (const one of all) {
			const bytes = encodeDatagram(one, sign);
			for (let index = 0; index < bytes.length; index++) {
				const changed = Uint8Array.from(bytes);
				changed[index] = (changed[index] ?? 0) ^ (1 << (index % 8));
				assert.equal(decodeDatagram(changed, [sign]), undefined);
				assert.equal(decodeDatagram(bytes.subarray(0, index), [sign]), undefined);
			}
		}
	});

	it("never throws, whatever comes", () => {
		const dice = new Dice(1);
		for (let n = 0; n < 2_000; n++) {
			const bytes = Uint8Array.from({ length: dice.below(80) }, () => dice.below(256));
			if (dice.chance(0.7)) bytes.set([0x4b, 0x4d, 0x42, 0x31].slice(0, bytes.length));
			assert.equal(decodeDatagram(bytes, [sign]), undefined);
		}
	});
});

// The HMAC trailer against the vectors of draft-cassen-vrrp-auth-hmac, and what it refuses.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceConfig, VrrpAuthentication } from "../vip-config.ts";
import type { ReceivedPacket } from "./advert.ts";
import { AdvertCodec } from "./advert-codec.ts";
import { instanceForTest, nodeHashes } from "./instance-config.testing.ts";

const key = "hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const hmac: Extract<VrrpAuthentication, { type: "hmac" }> = { type: "hmac", key };
/** The vectors' time: 0x68000000 seconds, and a half. */
const vectorMs = 0x68000000 * 1000 + 500;

const ipv4 = instanceForTest({
	priority: 200,
	advertIntervalMs: 1000,
	addresses: [{ address: "192.0.2.100", prefixLength: 24 }],
	transport: { type: "unicast", peers: [], ttl: 255, checkSource: false },
	checksum3: "messageOnly",
	authentication: hmac,
});
const ipv6: InstanceConfig = {
	...ipv4,
	family: "ipv6",
	addresses: [{ address: "fe80::100", prefixLength: 64 }],
};
const ipv4Vector = "3133c80100644402c00002640101000068000000800000001b84bc4e8e43892dc6d98448f8ee2265";
const ipv6Vector =
	"3133c8010064a2e9fe800000000000000000000000000100010100006800000080000000c8c56146ebfd66ee10ec4d8186461b78";
const advert = { priority: 200, intervalMs: 1000 };

describe("the HMAC trailer", () => {
	it("is the draft's, byte for byte, over IPv4", () => {
		const codec = new AdvertCodec(ipv4, "198.51.100.10", nodeHashes);
		assert.equal(hex(codec.encode(advert, "192.0.2.10", vectorMs)), ipv4Vector);
	});

	it("is the draft's, byte for byte, over IPv6, where the checksum covers it", () => {
		const codec = new AdvertCodec(ipv6, "fe80::10", nodeHashes);
		assert.equal(hex(codec.encode(advert, "fe80::20", vectorMs)), ipv6Vector);
	});

	it("verifies the draft's packets", () => {
		assert.equal(decided(receiver(), packet()), "ok");
		const six = {
			...packet(ipv6Vector),
			family: "ipv6",
			source: "fe80::10",
			destination: "fe80::20",
		} as const;
		assert.equal(decided(new AdvertCodec(ipv6, "fe80::20", nodeHashes), six), "ok");
	});

	it("drops a packet that was seen before, also after a reload, and one of before it", () => {
		const codec = receiver();
		assert.equal(decided(codec, packet()), "ok");
		assert.equal(decided(codec, packet()), "auth_ext_replay");
		const reloaded = new AdvertCodec(ipv4, "192.0.2.10", nodeHashes, codec);
		assert.equal(decided(reloaded, packet()), "auth_ext_replay");
	});

	for (const [secondsLater, reason] of [
		[5, "ok"],
		[-5, "ok"],
		[6, "auth_ext_stale"],
		[-6, "auth_ext_stale"],
	] as const) {
		it(`meets a clock that is ${secondsLater} s later: ${reason}`, () => {
			assert.equal(decided(receiver(), packet(), vectorMs + secondsLater * 1000), reason);
		});
	}

	it("asks for growth only where the window is 0", () => {
		const codec = receiver({ windowSeconds: 0 });
		assert.equal(decided(codec, packet(), 0), "ok");
		assert.equal(decided(codec, packet(), 0), "auth_ext_replay");
	});

	it("lets a sender in again whose clock was set back, once the old mark left the window", () => {
		const codec = receiver({ windowSeconds: 10 });
		const sender = () => new AdvertCodec(ipv4, "198.51.100.10", nodeHashes);
		const sent = (atMs: number) => ({ ...packet(), payload: sender().encode(advert, "192.0.2.10", atMs).slice() });
		assert.equal(decided(codec, sent(vectorMs), vectorMs), "ok");
		assert.equal(decided(codec, sent(vectorMs - 5_000), vectorMs - 5_000), "auth_ext_replay");
		assert.equal(decided(codec, sent(vectorMs - 60_000), vectorMs - 60_000), "ok");
	});

	it("drops adverts without one, unless it is permissive", () => {
		const bare = { ...packet(), payload: packet().payload.slice(0, 12) };
		assert.equal(decided(receiver(), bare), "auth_ext_missing");
		assert.equal(decided(receiver({ mode: "permissive" }), bare), "ok");
	});

	it("knows keys by their id, old ones as well", () => {
		assert.equal(decided(receiver({ keyId: 2 }), packet()), "auth_ext_unknown_key");
		const rotated = { key: "an altogether different key of 32+", keyId: 2, otherKeys: [{ id: 1, key }] };
		assert.equal(decided(receiver(rotated), packet()), "ok");
		assert.equal(decided(receiver({ key: "an altogether different key of 32+" }), packet()), "auth_ext_invalid_hmac");
	});

	it("does not fit another sender, and no byte of it may change", () => {
		const other = { ...packet(), source: "198.51.100.11" };
		assert.equal(decided(receiver(), other), "auth_ext_invalid_hmac");
		for (let at = 12; at < 40; at++) {
			const payload = packet().payload.slice();
			payload[at] = (payload[at] ?? 0) ^ 1;
			assert.match(decided(receiver(), { ...packet(), payload }), /^auth_ext_/, `byte ${at}`);
		}
	});

	it("grows with each packet, also within one moment", () => {
		const sender = new AdvertCodec(ipv4, "198.51.100.10", nodeHashes);
		const codec = receiver();
		for (let count = 0; count < 3; count++) {
			const payload = sender.encode(advert, "192.0.2.10", vectorMs);
			assert.equal(decided(codec, { ...packet(), payload }), "ok");
		}
	});
});

function receiver(changed: Partial<typeof hmac> = {}): AdvertCodec {
	return new AdvertCodec({ ...ipv4, authentication: { ...hmac, ...changed } }, "192.0.2.10", nodeHashes);
}

function packet(vector = ipv4Vector): ReceivedPacket {
	return {
		family: "ipv4",
		source: "198.51.100.10",
		destination: "192.0.2.10",
		ttl: 255,
		protocol: 112,
		payload: Uint8Array.from(Buffer.from(vector, "hex")),
	};
}

function decided(codec: AdvertCodec, received: ReceivedPacket, wallMs = vectorMs): string {
	const decoded = codec.decode(received, wallMs);
	return decoded.ok ? "ok" : decoded.because;
}

function hex(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString("hex");
}

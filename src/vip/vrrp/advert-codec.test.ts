// Adverts as keepalived 2.2.7 sent them (captured on a veth), and what becomes of each kind of bad packet.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { InstanceConfig } from "../vip-config.ts";
import type { ReceivedPacket } from "./advert.ts";
import { AdvertCodec } from "./advert-codec.ts";
import { type Capture, captures, packetOf } from "./captured-adverts.testing.ts";
import type { DropReason } from "./drop-reason.ts";
import { nodeHashes } from "./instance-config.testing.ts";

describe("adverts of keepalived 2.2.7", () => {
	for (const one of captures) {
		it(`reads ${one.what}`, () => {
			const codec = new AdvertCodec(one.config, otherAddress(one.config), nodeHashes);
			const decoded = codec.decode(packetOf(one), 0);
			assert.ok(decoded.ok, decoded.ok ? "" : decoded.because);
			assert.equal(decoded.advert.priority, one.priority);
			assert.equal(decoded.advert.intervalMs, one.config.advertIntervalMs);
			assert.ok(!decoded.advert.notes.includes("addr_list_err"));
		});
		it(`writes ${one.what} byte for byte`, () => {
			const packet = packetOf(one);
			const codec = new AdvertCodec(one.config, packet.source, nodeHashes);
			const advert = { priority: one.priority, intervalMs: one.config.advertIntervalMs };
			const bytes = codec.encode(advert, packet.destination, 0);
			const expected = codec.includesIpHeader ? one.packet : Buffer.from(packet.payload).toString("hex");
			assert.equal(Buffer.from(bytes).toString("hex"), expected);
		});
		it(`drops ${one.what} after any of its bits changed`, () => {
			const packet = packetOf(one);
			for (let bit = 0; bit < packet.payload.length * 8; bit++) {
				const payload = packet.payload.slice();
				payload[bit >> 3] = (payload[bit >> 3] ?? 0) ^ (128 >> (bit & 7));
				const codec = new AdvertCodec(one.config, otherAddress(one.config), nodeHashes);
				const decoded = codec.decode({ ...packet, payload }, 0);
				assert.ok(!decoded.ok, `bit ${bit} changed, and it passed`);
			}
		});
	}
});

const bad: readonly (readonly [DropReason, Partial<ReceivedPacket> | ((bytes: Uint8Array) => void)])[] = [
	["family_err", { family: "ipv6", source: "fe80::1", destination: "ff02::12" }],
	["ip_proto_err", { protocol: 17 }],
	["own_source", { source: "10.77.0.9" }],
	["packet_len_err", { payload: new Uint8Array(7) }],
	["ip_ttl_err", { ttl: 254 }],
	["unicast_multicast_err", { destination: "10.77.0.9" }],
	["vrid_err", put(1, 52)],
	["vrid_err", put(1, 0)],
	["vers_err", put(0, 0x21)],
	["invalid_type_rcvd", put(0, 0x32)],
	["packet_len_err", put(3, 2)],
	["addr_count_err", put(3, 0)],
	["chk_err", put(6, 1)],
	["advert_interval_zero", (bytes) => withChecksum(bytes, () => bytes.fill(0, 4, 6))],
];

describe("bad packets", () => {
	const one = capture("each 0.1 s");
	for (const [reason, change] of bad) {
		it(`are dropped for ${reason}: ${typeof change === "function" ? change.name || "changed bytes" : JSON.stringify(change).slice(0, 60)}`, () => {
			const packet = packetOf(one);
			const payload = packet.payload.slice(0, reason === "addr_count_err" ? 8 : undefined);
			if (typeof change === "function") change(payload);
			const changed = typeof change === "function" ? { ...packet, payload } : { ...packet, ...change };
			const decoded = new AdvertCodec(one.config, "10.77.0.9", nodeHashes).decode(changed, 0);
			assert.equal(decoded.ok ? "accepted" : decoded.because, reason);
		});
	}
});

function put(at: number, value: number): (bytes: Uint8Array) => void {
	const change = (bytes: Uint8Array): void => {
		bytes[at] = value;
	};
	Object.defineProperty(change, "name", { value: `byte ${at} = ${value}` });
	return change;
}

/** Changes bytes and makes the checksum over the message alone right again. */
function withChecksum(bytes: Uint8Array, change: () => void): void {
	change();
	bytes.fill(0, 6, 8);
	let sum = 0;
	for (let at = 0; at < bytes.length; at += 2) sum += ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
	while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
	bytes[6] = (~sum >> 8) & 255;
	bytes[7] = ~sum & 255;
}

function otherAddress(config: InstanceConfig): string {
	return config.family === "ipv4" ? "10.77.0.2" : "fe80::77:2";
}

describe("what a codec takes and learns", () => {
	const plain = capture("each 0.1 s");
	const peer = (changed: Partial<InstanceConfig>) =>
		new AdvertCodec({ ...plain.config, ...changed }, "10.77.0.9", nodeHashes);

	it("takes both forms of the checksum of version 3 over IPv4, and learns the one of each sender", () => {
		const packet = packetOf(plain);
		const payload = packet.payload.slice();
		withChecksum(payload, () => {});
		const codec = peer({});
		assert.equal(decided(codec, { ...packet, payload }), "ok");
		assert.equal(decided(codec, { ...packet, source: "10.77.0.1" }), "ok");
		assert.equal(codec.checksumFormOf("10.77.0.1"), "messageOnly");
		const other = peer({});
		assert.equal(decided(other, packet), "ok");
		assert.equal(other.checksumFormOf("10.77.0.1"), "pseudoHeader");
	});

	it("sends the form that is configured", () => {
		const bytes = new AdvertCodec({ ...plain.config, checksum3: "messageOnly" }, "10.77.0.1", nodeHashes).encode(
			{ priority: 153, intervalMs: 100 },
			"224.0.0.18",
			0,
		);
		const expected = bytes.slice();
		withChecksum(expected, () => {});
		assert.deepEqual(bytes, expected);
	});

	it("takes packets of a short Ethernet frame that was filled up, and no other longer ones", () => {
		const packet = packetOf(plain);
		for (const [padding, result] of [
			[14, "ok"],
			[10, "ok"],
			[6, "ok"],
			[4, "packet_len_err"],
			[1, "packet_len_err"],
			[18, "packet_len_err"],
		] as const) {
			const payload = new Uint8Array(packet.payload.length + padding);
			payload.set(packet.payload);
			assert.equal(decided(peer({}), { ...packet, payload }), result, `${padding} bytes`);
		}
	});

	it("learns another interval in version 3 and says so", () => {
		const decoded = peer({ advertIntervalMs: 1000 }).decode(packetOf(plain), 0);
		assert.ok(decoded.ok);
		assert.equal(decoded.advert.intervalMs, 100);
		assert.ok(decoded.advert.notes.includes("advert_interval_differs"));
	});

	it("drops another interval in version 2", () => {
		const two = capture("a password, each 2 s");
		const codec = new AdvertCodec({ ...two.config, advertIntervalMs: 1000 }, "10.77.0.9", nodeHashes);
		assert.equal(decided(codec, packetOf(two)), "advert_interval_err");
	});

	it("says that the addresses differ, and takes the advert all the same", () => {
		const decoded = peer({ addresses: [{ address: "10.77.0.105", prefixLength: 24 }] }).decode(packetOf(plain), 0);
		assert.ok(decoded.ok);
		assert.ok(decoded.advert.notes.includes("addr_list_err"));
		const unchecked = peer({
			addresses: [{ address: "10.77.0.105", prefixLength: 24 }],
			checkAddresses: false,
		}).decode(packetOf(plain), 0);
		assert.ok(unchecked.ok && !unchecked.advert.notes.includes("addr_list_err"));
	});

	it("does not mind the order of the addresses", () => {
		const two = capture("two addresses");
		const config = { ...two.config, addresses: two.config.addresses.toReversed() };
		const decoded = new AdvertCodec(config, "10.77.0.9", nodeHashes).decode(packetOf(two), 0);
		assert.ok(decoded.ok);
		assert.deepEqual(decoded.advert.notes, []);
	});

	for (const [what, authentication, reason] of [
		["another password", { type: "pass", key: "Secret" }, "auth_failure"],
		["a password that differs after its eighth byte", { type: "pass", key: "secret\0\0more" }, "ok"],
		["none configured", { type: "none" }, "authtype_mismatch"],
		["AH configured", { type: "ah", key: "secret" }, "authtype_mismatch"],
	] as const) {
		it(`meets a password with ${what}: ${reason}`, () => {
			const one = capture("a password, each 2 s");
			const codec = new AdvertCodec({ ...one.config, authentication }, "10.77.0.9", nodeHashes);
			assert.equal(decided(codec, packetOf(one)), reason);
		});
	}

	it("drops AH with another key, seen before, or without its IP header", () => {
		const one = capture("with AH");
		const packet = packetOf(one);
		const wrongKey: InstanceConfig["authentication"] = { type: "ah", key: "other" };
		assert.equal(
			decided(new AdvertCodec({ ...one.config, authentication: wrongKey }, "10.77.0.9", nodeHashes), packet),
			"auth_failure",
		);
		const codec = new AdvertCodec(one.config, "10.77.0.9", nodeHashes);
		const { ipHeader: _, ...headless } = packet;
		assert.equal(decided(codec, headless), "auth_failure");
		assert.equal(decided(codec, packet), "ok");
		assert.equal(decided(codec, packet), "auth_failure");
	});

	it("goes on from the last AH sequence of another router, and across a reload", () => {
		const one = capture("with AH");
		const codec = new AdvertCodec(one.config, "10.77.0.9", nodeHashes);
		assert.equal(decided(codec, packetOf(one)), "ok");
		const advert = { priority: 100, intervalMs: 1000 };
		const sequence = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(28);
		assert.equal(sequence(codec.encode(advert, "224.0.0.18", 0)), 2);
		const reloaded = new AdvertCodec(one.config, "10.77.0.9", nodeHashes, codec);
		assert.equal(sequence(reloaded.encode(advert, "224.0.0.18", 0)), 3);
	});

	it("holds a unicast peer to its TTLs, and strangers out where the source is checked", () => {
		const one = capture("over IPv4, unicast");
		const transport = (checkSource: boolean): InstanceConfig["transport"] => ({
			type: "unicast",
			peers: [{ address: "10.77.0.1", minTtl: 250, maxTtl: 255 }],
			ttl: 255,
			checkSource,
		});
		const packet = packetOf(one);
		const codec = (checkSource: boolean, own = "10.77.0.2") =>
			new AdvertCodec({ ...one.config, transport: transport(checkSource) }, own, nodeHashes);
		assert.equal(decided(codec(true), packet), "ok");
		assert.equal(decided(codec(true), { ...packet, ttl: 249 }), "ip_ttl_err");
		const stranger = new AdvertCodec({ ...one.config, transport: transport(false) }, "10.77.0.3", nodeHashes);
		const forged = {
			...packet,
			source: "10.77.0.3",
			payload: stranger.encode({ priority: 255, intervalMs: 500 }, "10.77.0.2", 0),
		};
		assert.equal(decided(codec(true), forged), "unknown_peer");
		assert.equal(decided(codec(false), forged), "ok");
		assert.equal(decided(codec(false), { ...forged, destination: "224.0.0.18" }), "unicast_multicast_err");
	});

	it("knows which of two addresses is higher, as unsigned numbers", () => {
		const packet = packetOf(plain);
		for (const [own, higher] of [
			["10.77.0.2", false],
			["10.76.255.255", true],
			["200.0.0.1", false],
			["9.255.255.255", true],
		] as const) {
			const decoded = new AdvertCodec(plain.config, own, nodeHashes).decode(packet, 0);
			assert.ok(decoded.ok);
			assert.equal(decoded.advert.sourceIsHigher, higher, own);
		}
	});

	it("gives the same array for the same advert, and another one when the priority changed", () => {
		const codec = peer({});
		const first = codec.encode({ priority: 100, intervalMs: 100 }, "224.0.0.18", 0);
		assert.equal(codec.encode({ priority: 100, intervalMs: 100 }, "224.0.0.18", 0), first);
		assert.notEqual(codec.encode({ priority: 0, intervalMs: 100 }, "224.0.0.18", 0), first);
	});
});

function decided(codec: AdvertCodec, packet: ReceivedPacket): string {
	const decoded = codec.decode(packet, 0);
	return decoded.ok ? "ok" : decoded.because;
}

function capture(what: string): Capture {
	const found = captures.find((one) => one.what.includes(what));
	assert.ok(found);
	return found;
}
